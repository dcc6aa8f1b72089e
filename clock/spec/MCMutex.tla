---- MODULE MCMutex ----
\* Two processes that ask twice, or three that ask once.
EXTENDS Mutex
Pair == 1..2
Trio == 1..3
====
