"""Files by a recogniser of somebody's choice: what is asked for once, goes on by itself and can be looked at."""
