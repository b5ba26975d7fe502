/* {"$dynamicprefix": "home-ipv6:rewrite:begin"} */
firewall {
    group {
        ipv6-network-group LAN {
            network "2001:db8:0:1100::/64"
        }
    }
}
/* {"$dynamicprefix": "home-ipv6:rewrite:end"} */
