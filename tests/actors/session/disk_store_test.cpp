// Mirrors actors/session/disk_store.hpp.

#include "actors/session/disk_store.hpp"

#include "tests/actors/session/session_fixture.hpp"
#include "tests/support/temporary_directory.hpp"

#include <fstream>

#include <sys/stat.h>

namespace larql::actors {
namespace {

namespace fs = std::filesystem;
using test::answer_of;
using test::fails;
using test::ids;
using test::succeeds;

class DiskStore : public test::scheduler_fixture {
protected:
  DiskStore() {
    disk_.dir = dir_ / "prompts";
    identity_ = {"weights", "tokenizer", "exact"};
  }

  std::unique_ptr<disk_store> open(bool shared = false) {
    auto out = disk_store::open(disk_, identity_, gemma4::kv_format::f16, shared);
    EXPECT_TRUE(succeeds(out));
    return *std::move(out);
  }
  generate::sequence::prefix prefix(const ids& tokens) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(model_->executor().append(*s, tokens)));
    return s->share(s->size());
  }
  std::uint32_t load(disk_store& from, const std::string& client, const ids& tokens) {
    auto size = 0u;
    from.load(client, tokens, static_cast<std::uint32_t>(tokens.size()), model_->new_sequence(),
              [&](std::unique_ptr<generate::sequence> s) { size = s->size(); });
    from.flush();
    return size;
  }
  [[nodiscard]] std::vector<fs::path> files() const {
    auto out = std::vector<fs::path>{};
    for (const auto& f : fs::directory_iterator{disk_.dir})
      out.push_back(f.path());
    return out;
  }

  test::temporary_directory dir_;
  disk_cache_options disk_;
  cache_identity identity_;
};

TEST_F(DiskStore, WhatIsSavedIsThereForTheNextProcess) {
  {
    const auto s = open();
    s->save("a", prefix(text(300)));
    s->flush();
  }
  const auto s = open();
  const auto longer = joined(text(300), text(9, 2));
  EXPECT_EQ(s->reach("a", longer, 308), 300u);
  EXPECT_EQ(load(*s, "a", longer), 300u);
  EXPECT_EQ(s->reach("a", joined(text(200), text(99, 3)), 299), 0u);
  EXPECT_EQ(load(*s, "a", text(200, 5)), 0u);
}

TEST_F(DiskStore, FilesAreTheirOwnersAlone) {
  const auto s = open();
  s->save("a", prefix(text(100)));
  s->flush();
  struct stat info {};
  ASSERT_EQ(::stat(disk_.dir.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(files().size(), 1u);
  ASSERT_EQ(::stat(files().front().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(DiskStore, ADirectoryWhereOthersMayWriteIsRefused) {
  fs::create_directory(disk_.dir);
  ASSERT_EQ(::chmod(disk_.dir.c_str(), 0777), 0);
  EXPECT_TRUE(fails(disk_store::open(disk_, identity_, gemma4::kv_format::f16, false), errc::usage,
                    {"prompts", "others may write"}));
  fs::remove(disk_.dir);
  std::ofstream{disk_.dir} << "a file";
  EXPECT_TRUE(fails(disk_store::open(disk_, identity_, gemma4::kv_format::f16, false), errc::usage,
                    {"expected a directory"}));
}

TEST_F(DiskStore, OfAnotherModelTokenizerFormatOrClientNothingIsTaken) {
  {
    const auto s = open();
    s->save("a", prefix(text(300)));
    s->flush();
    EXPECT_EQ(s->reach("b", text(300), 300), 0u);
  }
  const auto good = identity_;
  for (auto* field : {&identity_.weights, &identity_.tokenizer, &identity_.exactness}) {
    identity_ = good;
    *field += "!";
    EXPECT_EQ(open()->reach("a", text(300), 300), 0u);
  }
  identity_ = good;
  const auto other = *disk_store::open(disk_, identity_, gemma4::kv_format::f32, false);
  EXPECT_EQ(other->reach("a", text(300), 300), 0u);
  EXPECT_EQ(open()->reach("a", text(300), 300), 300u);
}

TEST_F(DiskStore, SharedPrefixesAreOfAllWhoShare) {
  const auto s = open(true);
  s->save("a", prefix(text(300)));
  s->flush();
  EXPECT_EQ(s->reach("b", text(300), 300), 300u);
}

TEST_F(DiskStore, KeepsItsBoundAndTheLeastRecentlyUsedGoesFirst) {
  {
    const auto s = open();
    s->save("a", prefix(text(300)));
    s->flush();
  }
  disk_.max_bytes = fs::file_size(files().front()) * 5 / 2;
  const auto s = open();
  s->save("a", prefix(text(300, 2)));
  s->flush();
  EXPECT_EQ(load(*s, "a", text(300)), 300u); // used
  s->save("a", prefix(text(300, 3)));
  s->flush();
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(s->reach("a", text(300), 300), 300u);
  EXPECT_EQ(s->reach("a", text(300, 2), 300), 0u);
}

TEST_F(DiskStore, WhatWasNotUsedForLongExpires) {
  {
    const auto s = open();
    s->save("a", prefix(text(300)));
    s->save("a", prefix(text(300, 2)));
    s->flush();
  }
  const auto old = files().front();
  fs::last_write_time(old,
                      fs::file_time_type::clock::now() - disk_.expires - std::chrono::hours{1});
  const auto s = open();
  EXPECT_EQ(files().size(), 1u);
  EXPECT_FALSE(fs::exists(old));
}

TEST_F(DiskStore, ADamagedFileIsRemovedAndThePromptIsReadAsUsual) {
  {
    const auto s = open();
    s->save("a", prefix(text(300)));
    s->flush();
  }
  const auto s = open();
  const auto path = files().front();
  {
    auto f = std::fstream{path, std::ios::in | std::ios::out | std::ios::binary};
    f.seekp(-100, std::ios::end);
    f.put('x');
    f.put('y');
  }
  EXPECT_EQ(load(*s, "a", text(300)), 0u);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(s->reach("a", text(300), 300), 0u);
}

TEST_F(DiskStore, WhatACondemnedNodeHadAPartInIsRemoved) {
  auto ledger = experts::maker_ledger{};
  const auto made_by = [&](std::uint64_t node, const ids& tokens) {
    auto p = prefix(tokens);
    p.origins = {{0, {ledger.set_of(node), 0}, std::chrono::steady_clock::now()}};
    return p;
  };
  {
    const auto s = *disk_store::open(disk_, identity_, gemma4::kv_format::f16, false, &ledger);
    s->save("a", made_by(7, text(300)));
    s->save("a", made_by(8, text(300, 2)));
    s->flush();
    EXPECT_EQ(s->reach("a", text(300), 300), 300u);
  }
  // The next process, and another numbering of the nodes.
  auto later = experts::maker_ledger{};
  const auto s = *disk_store::open(disk_, identity_, gemma4::kv_format::f16, false, &later);
  auto loaded = std::unique_ptr<generate::sequence>{};
  s->load("a", text(300), 300, model_->new_sequence(),
          [&](std::unique_ptr<generate::sequence> got) { loaded = std::move(got); });
  s->flush();
  EXPECT_EQ(loaded->void_from(later), 300u);
  ASSERT_TRUE(later.condemn(7, "lied"));
  EXPECT_EQ(loaded->void_from(later), 0u);
  EXPECT_EQ(s->reach("a", text(300), 300), 0u);
  EXPECT_EQ(s->reach("a", text(300, 2), 300), 300u);
  s->flush();
  EXPECT_EQ(files().size(), 1u);
  s->save("a", loaded->share(300));
  s->flush();
  EXPECT_EQ(files().size(), 1u) << "nor is it written again";
}

TEST_F(DiskStore, WhatIsNotOursStays) {
  fs::create_directory(disk_.dir);
  ASSERT_EQ(::chmod(disk_.dir.c_str(), 0700), 0);
  std::ofstream{disk_.dir / "notes.txt"} << "mine";
  std::ofstream{disk_.dir / "letter.prompt"} << "mine";
  disk_.max_bytes = 0;
  const auto s = open();
  s->save("a", prefix(text(300)));
  s->flush();
  EXPECT_TRUE(fs::exists(disk_.dir / "notes.txt"));
  EXPECT_TRUE(fs::exists(disk_.dir / "letter.prompt"));
  EXPECT_EQ(files().size(), 2u) << "the bound is nothing";
}

} // namespace
} // namespace larql::actors
