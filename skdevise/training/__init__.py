"""How nets are trained here, whatever they learn: skorch's loop around batches of our own."""
