"""How good generated music is: judges that are independent of the generator, and what they measure."""
