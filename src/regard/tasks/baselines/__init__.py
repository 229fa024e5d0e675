"""What a model has to beat: simple methods' answers, one file a kind of data.

Each function takes plain rows (texts, arrays, lists of items) of the training and the test part and gives one answer a
test row, of the kind that the scores of `regard.tasks.scores` take. None draws random numbers: the same rows give the
same answers.
"""
