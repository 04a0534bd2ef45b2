"""What every command form costs a server in processor time, beside a peer: `./dev bench sweep`.

Owns: the forms (`forms.txt`, read by `table`), the bytes of their requests (`requests`), a player of pipelines
(`player`, native), the two servers and the connections of a form (`sides`), measuring (`contest`), what the figures say
(`verdict`), the page and the picture that show them (`page`, `picture`), the program (`__main__`).
Called by: people who made a command cheaper, or dearer; `docs/forms.md` shows the last whole run.
Rules: both servers get the same bytes in short alternating slices; what counts is the processor time that the kernel
accounts to a server, never the clock on the wall; a form's figure is the median of ours / peer over the pairs.
"""
