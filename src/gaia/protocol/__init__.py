"""What goes over the wire: one module for each conversation, as msgspec structs.

Unknown fields are ignored on both sides, so that either may be newer than the other.
"""
