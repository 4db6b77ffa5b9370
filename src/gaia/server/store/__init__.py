"""All SQL of the server: tables, migrations, and one module for each group of queries."""
