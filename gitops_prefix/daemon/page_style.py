"""How the status page looks, in light and in dark; nothing of it is fetched."""

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --quiet: #5b6572; --line: #dde1e6;
  --good: #17693c; --good-ground: #dcf5e5; --bad: #9b1c1c; --bad-ground: #fde4e4;
  --wait: #7a4d00; --wait-ground: #fdf0d2 }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171b; --card: #1d2127; --text: #e6e9ed; --quiet: #98a2ae; --line: #333a43;
  --good: #7fdca4; --good-ground: #143524; --bad: #ffb1b1; --bad-ground: #451a1d;
  --wait: #f3cd7d; --wait-ground: #3d2e0c } }
* { box-sizing: border-box }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; background: var(--ground);
  color: var(--text) }
header { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline }
h1 { font-size: 1.4rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 0 0 .5rem }
small, th { color: var(--quiet); font-weight: 400 }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.25rem; margin-block: 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% }
table + table { margin-top: .75rem }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; vertical-align: top;
  border-top: 1px solid var(--line) }
tr:first-child > * { border-top: 0 }
.facts th { width: 9.5rem; white-space: nowrap }
code, pre { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
.words { margin: .5rem 0 .75rem; padding: .6rem .8rem; border-radius: .4rem;
  background: var(--bad-ground); color: var(--bad); white-space: pre-wrap }
.mark { border-radius: 1rem; padding: .1rem .7rem; font-size: .9rem; margin-left: auto }
.good { background: var(--good-ground); color: var(--good) }
.bad { background: var(--bad-ground); color: var(--bad) }
.wait { background: var(--wait-ground); color: var(--wait) }
ul { margin: 0; padding-left: 1.2rem }
"""
