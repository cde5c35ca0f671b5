"""Reading the folders and tables that users have.

- `tree`: what lies in each folder
- `layout`: which folders are classes, groups and splits
- `messages`: what is said about the rest
- `spreadsheet`: tables as spreadsheets write them
- `places`: paths as other systems write them
- `files`: missing files, and copies of one video
"""
