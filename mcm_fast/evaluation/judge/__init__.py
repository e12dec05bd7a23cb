"""Blind comparison of pictures by people: a study on disk, a local web page, votes, their result.

`contestants` makes the pictures, `study` keeps them on disk, `trials` says who sees which pair,
`votes` stores what they chose, `server` and `static/` show it, `statistics` and `result` tell who
won. Nothing here imports torch but `contestants` and what prepares a study.
"""
