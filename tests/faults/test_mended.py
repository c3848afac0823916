"""Faults that once were mistakes, one test for each, named after it."""
import tempfile
import unittest
from pathlib import Path

import faults
from faults import Fault
from test_packer import Faults as PackerFaults


class TestPacker(unittest.TestCase):
    def check(self, scenario, *chosen):
        with tempfile.TemporaryDirectory(prefix="cairn-faults-") as folder:
            packer = PackerFaults(scenario, Path(folder), faults.Tally("mended"))
            for fault in chosen:
                with self.subTest(str(fault)):
                    self.assertLessEqual(fault.first, packer.recorded[fault.call])
                    packer.try_fault(fault)

    def test_an_archive_that_cannot_be_read_counts_as_empty(self):
        """The search for the last commit took a read error for "there is none": the next add was
        release 1 again, over the index of the first."""
        self.check("add_next", *(Fault("pread64", how, n) for n in (1, 2, 3)
                                 for how in ("EIO", "EINTR", "short")))
        self.check("verify_archive", Fault("fstat64", "EIO", 2), Fault("pread64", "EIO", 2))

    def test_a_link_that_cannot_be_resolved_is_left_out(self):
        """Want of memory, say, was told as "a link that leads nowhere", and the release published
        without it."""
        self.check("add_next", Fault("realpath", "ENOMEM", 2), Fault("realpath", "EIO", 2))
        self.check("check", Fault("realpath", "EIO", 2))

    def test_what_kind_of_file_it_is_cannot_be_read(self):
        """An archive that could not be opened to look at its first bytes was taken for an index."""
        self.check("list", *(Fault("open64", how, 1) for how in ("EMFILE", "EIO")))
        self.check("list", *(Fault("pread64", how, 1) for how in ("EIO", "EINTR", "short")))

    def test_extract_does_not_see_that_a_folder_cannot_be_read(self):
        self.check("extract_into", Fault("readdir64", "EIO", 1))

    def test_no_memory_for_a_hash_ends_without_a_word(self):
        self.check("add_new", Fault("aligned_alloc", "ENOMEM", 1))

    def test_a_reply_that_cannot_be_read_is_called_the_servers_end(self):
        self.check("push", Fault("__getdelim", "EIO", 1))

    def test_a_uuid_of_less_random_bytes(self):
        self.check("add_new_at_any_time", Fault("getentropy", "EIO", 1))


if __name__ == "__main__":
    unittest.main()
