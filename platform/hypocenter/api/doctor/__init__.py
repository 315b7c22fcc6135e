"""What is wrong with a server and what is to be done: each check looks at one thing and yields what it found."""
