"""What the server answers: routes, who may use them, and how it starts and stops."""
