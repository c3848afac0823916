"""Signed releases for the tests of faults, and such as must never be served."""
import cairn
from cairn import noise, pack, write_tree
from subject import PLAIN


class Key:
    def __init__(self, folder, name="site.key"):
        self.path = folder / name
        cairn.run("cairn-pack", "keygen", self.path, bin_folder=PLAIN)
        self.public = folder / f"{name}.pub"
        self.public.chmod(0o644)

    @property
    def options(self):
        return ["--trust", self.public]


FILES = {"index.html": "<h1>not what was signed</h1>", "small.bin": noise(3000, 5)}


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def alter(folder, key):
    """{what is wrong: index} of releases that a server which trusts the key must refuse."""
    tree = write_tree(folder / "altered-tree", FILES, 1600000000)

    def release(name, *options):
        (folder / name).mkdir()
        return pack(tree, folder / name / "site.cairn", *options, bin_folder=PLAIN)

    content = release("altered", "--sign", key.path)
    archive = content.with_name("site.cairn")
    flip(archive, archive.read_bytes().index(FILES["small.bin"]) + 1000)
    signature = release("forged", "--sign", key.path)
    archive = signature.with_name("site.cairn")
    flip(archive, archive.stat().st_size - 128 - 1)  # the last byte before the commit record
    return {"altered": content, "forged": signature, "unsigned": release("unsigned"),
            "foreign": release("foreign", "--sign", Key(folder, "other.key").path)}
