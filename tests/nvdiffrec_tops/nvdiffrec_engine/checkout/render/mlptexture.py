import tinycudann as tcnn


def first_call():
    tcnn.Encoding(3)
