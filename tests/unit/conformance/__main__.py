"""Print the rules as a table."""

from conformance.tables import TABLES

for table in TABLES:
    print(f"\n{table.__doc__.splitlines()[0]}")
    for case in table.CASES:
        print(f"  {case.rule:12} {case.what}")
