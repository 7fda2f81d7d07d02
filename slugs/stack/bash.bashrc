# Interactive shells of one-off dynos.
PS1='\w \$ '
