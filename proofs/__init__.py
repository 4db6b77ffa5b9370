"""What is proven by running it: each module is one proof, started by `script/prove NAME`."""
