"""What hostile clients and hostile dynos do; `assaults` and `rogues` are the tables."""
