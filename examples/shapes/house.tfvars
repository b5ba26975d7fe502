nas_address = "2001:db8:0:1100::10" # {"$dynamicprefix": "home-ipv6:rewrite"}
allowed = [
  "192.168.42.0/24",
  "2001:db8:0:1100::/64", // {"$dynamicprefix": "home-ipv6:rewrite"}
]
