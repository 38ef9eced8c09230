"""The files of messages: images, sound, documents, sent and received."""
