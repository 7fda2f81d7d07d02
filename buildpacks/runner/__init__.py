"""What runs inside a build's sandbox: bash for the contract, the stack's own Python (standard library) for the rest."""
