"""What is done with pictures: thumbnails, the image receiver, instructions."""
