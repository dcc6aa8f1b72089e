---- MODULE MCLeaseDrift ----
\* Two holders, three granters or one.
EXTENDS LeaseDrift
CONSTANTS g1, g2, g3
Granters == {g1, g2, g3}
Majorities == {{g1, g2}, {g1, g3}, {g2, g3}}
Holders == {"x", "y"}
Alone == {g1}
Only == {{g1}}
====
