// Mirrors runtime/vindex/locations.hpp, and storage.hpp for files that are parts of others.

#include "runtime/vindex/locations.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/base/json.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/storage.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

// Ten bytes of each file: "0123456789" and "abcdefghij".
class Locations : public testing::Test {
protected:
  Locations() {
    test::write_file(elsewhere(), "0123456789");
    test::write_file(dir() / "own.bin", "abcdefghij");
  }
  [[nodiscard]] fs::path elsewhere() const { return scratch_ / "model.gguf"; }
  [[nodiscard]] fs::path dir() const { return scratch_ / "v"; }

  [[nodiscard]] locations good() const {
    auto out = locations{};
    out.source = "s";
    out.files = {{elsewhere(), file::open(elsewhere())->stamp()}, {"own.bin", std::nullopt}};
    // "ab", then "12", "cd", "45", "ef": two runs between each other.
    out.stored["parts.bin"] = {10, {{0, 2, 1, 0, 3, 4, 2}, {2, 2, 0, 1, 2, 4, 3}}};
    return out;
  }
  void write(const locations& l) const {
    test::write_file(dir() / locations_file, write_locations(l));
  }
  [[nodiscard]] result<stored_file> open(std::string_view name = "parts.bin") const {
    LARQL_TRY(const auto files, storage::open(dir()));
    return files.open_file(name);
  }
  static std::string read(const stored_file& f, std::uint64_t offset, std::size_t bytes) {
    auto out = std::string(bytes, '?');
    const auto ok = f.read(offset, std::as_writable_bytes(std::span{out}));
    return ok ? out : ok.error().text;
  }

  test::temporary_directory scratch_;
};

TEST_F(Locations, WhatIsWrittenIsRead) {
  write(good());
  const auto found = read_locations(dir());
  ASSERT_TRUE(succeeds(found));
  EXPECT_EQ(*found, good());
  auto old = good();
  old.files[0].stamp->modified_ns = -5; // before 1970
  EXPECT_EQ(*parse_locations(write_locations(old), "L"), old);
  fs::remove(dir() / locations_file);
  EXPECT_FALSE(read_locations(dir())->has_value());
}

// A pull writes to it while it is used.
TEST_F(Locations, AFileWithANameOfItsContentMayGetLaterBytesAndNoOtherMayTakeItsPlace) {
  auto l = good();
  l.files[0].content = "sha";
  l.files[0].stamp->modified_ns = 0;
  write(l);
  EXPECT_EQ(**read_locations(dir()), l);
  test::overwrite(elsewhere(), 0, "x");
  const auto f = open();
  ASSERT_TRUE(succeeds(f));
  EXPECT_EQ(read(*f, 0, 10), "ab12cd45ef");
  test::write_file(scratch_ / "new", "0123456789");
  fs::rename(scratch_ / "new", elsewhere());
  EXPECT_TRUE(fails(open(), errc::mismatch, {"model.gguf", "was changed"}));
}

TEST_F(Locations, AStoredFileReadsAsIfItsPiecesStoodTogether) {
  write(good());
  const auto f = open();
  ASSERT_TRUE(succeeds(f));
  EXPECT_FALSE(f->is_whole());
  EXPECT_EQ(f->size_bytes(), 10u);
  EXPECT_EQ(f->path(), dir() / "parts.bin");
  EXPECT_EQ(read(*f, 0, 10), "ab12cd45ef");
  EXPECT_EQ(read(*f, 3, 4), "2cd4");
  EXPECT_EQ(read(*f, 10, 0), "");
}

TEST_F(Locations, APieceIsFoundWhereItLies) {
  write(good());
  const auto f = open();
  ASSERT_TRUE(succeeds(f));
  const auto part = f->find(6, 2);
  ASSERT_TRUE(succeeds(part));
  EXPECT_EQ(part->in->path(), elsewhere());
  EXPECT_EQ(part->offset, 4u);
  EXPECT_TRUE(fails(f->find(1, 2), errc::corrupt, {"parts.bin", "one piece"}));
  EXPECT_TRUE(fails(f->find(9, 2), errc::corrupt, {"parts.bin", "truncated"}));
}

TEST_F(Locations, BytesThatLieNowhereAreNamed) {
  auto l = good();
  l.stored["parts.bin"].bytes = 20;
  write(l);
  const auto f = open();
  ASSERT_TRUE(succeeds(f));
  EXPECT_TRUE(fails(f->find(12, 1), errc::corrupt, {"parts.bin", "12", "nowhere"}));
  auto ten = std::string(20, '\0');
  EXPECT_TRUE(fails(f->read(0, std::as_writable_bytes(std::span{ten})), errc::corrupt,
                    {"byte 10 lies nowhere"}));
}

TEST_F(Locations, OtherFilesAreThemselves) {
  write(good());
  const auto files = storage::open(dir());
  ASSERT_TRUE(succeeds(files));
  EXPECT_TRUE(*files->has("parts.bin"));
  EXPECT_TRUE(*files->has("own.bin"));
  EXPECT_FALSE(*files->has("absent"));
  EXPECT_TRUE(open("own.bin")->is_whole());
}

TEST_F(Locations, ASourceThatWasChangedIsRefused) {
  write(good());
  test::write_file(elsewhere(), "9876543210"); // another inode, another time
  EXPECT_TRUE(fails(open(), errc::mismatch, {elsewhere().string(), "was changed"}));
  fs::remove(elsewhere());
  EXPECT_TRUE(fails(open(), errc::not_found, {elsewhere().string()}));
}

TEST_F(Locations, BytesThatAreNotHeldAreRefused) {
  write(good());
  ASSERT_TRUE(succeeds(held_writer::open(dir() / "own.bin", 10)->add({0, 4})));
  const auto f = open();
  ASSERT_TRUE(succeeds(f));
  EXPECT_TRUE(succeeds(f->find(4, 2)));
  EXPECT_TRUE(fails(f->find(8, 2), errc::mismatch, {"parts.bin", "own.bin", "not there"}));
  EXPECT_EQ(read(*f, 0, 6), "ab12cd");
  EXPECT_NE(read(*f, 0, 10).find("not there"), std::string::npos);
}

TEST_F(Locations, PiecesBehindTheEndOfAFileOfTheVindexAreNamed) {
  auto l = good();
  l.stored["parts.bin"].runs[0].offset = 5;
  write(l);
  EXPECT_TRUE(fails(storage::open(dir()), errc::corrupt, {"own.bin", "parts.bin", "10 bytes"}));
}

TEST_F(Locations, EveryFieldIsChecked) {
  const auto text = write_locations(good());
  const auto with = [&](const std::function<void(json&)>& edit) {
    auto j = json::parse(text);
    edit(j);
    return parse_locations(j.dump(), "L");
  };
  const auto run = [&](const json& r) {
    return with([&](json& j) { j["stored"]["parts.bin"]["runs"][1] = r; });
  };
  EXPECT_TRUE(fails(with([](json& j) { j["version"] = 2; }), errc::unsupported, {"L", "version"}));
  EXPECT_TRUE(fails(with([](json& j) { j.erase("files"); }), errc::corrupt, {"L", "files"}));
  EXPECT_TRUE(fails(with([](json& j) { j["files"][0]["path"] = "relative"; }), errc::corrupt,
                    {"files[0]", "absolute"}));
  EXPECT_TRUE(fails(with([](json& j) { j["files"][1]["path"] = "../own.bin"; }), errc::corrupt,
                    {"files[1]", "path"}));
  EXPECT_TRUE(fails(with([](json& j) { j["files"][0]["modified_ns"] = "soon"; }), errc::corrupt,
                    {"modified_ns", "soon"}));
  EXPECT_TRUE(fails(with([](json& j) { j["stored"]["../x"] = j["stored"]["parts.bin"]; }),
                    errc::corrupt, {"stored", "name"}));
  EXPECT_TRUE(fails(run({0, 2, 0}), errc::corrupt, {"parts.bin", "4 or 7"}));
  EXPECT_TRUE(fails(run({0, -2, 0, 0}), errc::corrupt, {"non-negative"}));
  EXPECT_TRUE(fails(run({0, 0, 0, 0}), errc::corrupt, {"bytes"}));
  EXPECT_TRUE(fails(run({0, 2, 2, 0}), errc::corrupt, {"a file of the list"}));
  EXPECT_TRUE(fails(run({0, 2, 0, 0, 0, 2, 2}), errc::corrupt, {"pieces"}));
  EXPECT_TRUE(fails(run({0, 2, 0, 0, 2, 1, 2}), errc::corrupt, {"overlap"}));
  EXPECT_TRUE(fails(run({9, 2, 0, 0}), errc::corrupt, {"past the end of 10"}));
  EXPECT_TRUE(fails(run({0, 2, 0, 9}), errc::corrupt, {"past the end", "model.gguf"}));
  EXPECT_TRUE(fails(run({0, 2, 0, 0, 6, 2, 2}), errc::corrupt, {"past the end"}));
  const auto huge = ~std::uint64_t{0};
  EXPECT_TRUE(fails(run({0, 2, 0, 0, huge, 2, 2}), errc::corrupt, {"past the end"}));
  EXPECT_TRUE(fails(run({huge, 2, 0, 0}), errc::corrupt, {"past the end"}));
  EXPECT_TRUE(fails(run({0, 2, 0, huge}), errc::corrupt, {"past the end"}));
  EXPECT_TRUE(fails(run({0, 2, 0, 0, 2, 2, huge}), errc::corrupt, {"past the end"}));
}

} // namespace
} // namespace larql::vindex
