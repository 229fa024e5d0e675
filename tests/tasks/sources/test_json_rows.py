from regard.tasks.sources.json_rows import write_jsonl


def test_a_line_a_row_in_utf_8_with_one_line_ending(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", iter([{"b": "Ü\n", "a": [1]}, {}]))
    assert (tmp_path / "rows.jsonl").read_bytes() == '{"b": "Ü\\n", "a": [1]}\n{}\n'.encode()
