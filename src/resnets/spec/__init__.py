"""What a ResNet is: the facts and what follows from them, with the standard library only."""
