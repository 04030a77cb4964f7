"""`modelport.testing`: what users test their services with."""
