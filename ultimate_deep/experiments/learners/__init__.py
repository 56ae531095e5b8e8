"""How models of each family are planned and trained, behind one registry."""
