"""Telling voices apart where one track mixes them: speech to windows, embeddings, labels and turns. Worker half."""
