"""A csv: quotes where they are needed, nothing for None, and lines that end alike on every system."""

from regard.tasks.sources.csv_rows import write_csv


def test_rows_are_written_as_they_come(tmp_path):
    write_csv(tmp_path / "few.csv", ("item", "title"), iter([(1, "Usual Suspects, The"), (2, None), (3, 'say "no"')]))
    assert (tmp_path / "few.csv").read_bytes() == (b'item,title\r\n1,"Usual Suspects, The"\r\n2,\r\n3,"say ""no"""\r\n')
