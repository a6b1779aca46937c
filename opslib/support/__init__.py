"""What somebody who helps needs to know of a lake, without secrets or tweets."""
