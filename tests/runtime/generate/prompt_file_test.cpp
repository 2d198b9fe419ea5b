// Mirrors runtime/generate/prompt_file.hpp: what is written comes back bit by bit, and nothing that
// a file says is believed.

#include "runtime/generate/prompt_file.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include <sys/stat.h>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;
using ids = std::vector<std::uint32_t>;

class PromptFile : public testing::Test {
protected:
  PromptFile() {
    auto o = test::tiny_options{};
    o.window = 40;
    vindex_.emplace(o);
    auto options = test::run_options{};
    options.context = 400;
    model_ = *test::running_model::open(vindex_->path(), options);
    id_.model.fill(std::byte{1});
    id_.owner.fill(std::byte{2});
  }

  static ids text(std::size_t n, std::uint64_t seed = 7) { return test::random_ids(n, 128, seed); }
  std::unique_ptr<sequence> read(const ids& tokens) {
    auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(model_->executor().append(*s, tokens)));
    return s;
  }
  void write(const ids& tokens) {
    const auto s = read(tokens);
    ASSERT_TRUE(succeeds(write_prompt_file(path(), id_, s->share(s->size()))));
  }
  [[nodiscard]] std::filesystem::path path() const { return dir_ / "a.prompt"; }
  std::vector<char> bytes() const {
    auto in = std::ifstream{path(), std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  void put(const std::vector<char>& all) const {
    std::ofstream{path(), std::ios::binary | std::ios::trunc}.write(
        all.data(), static_cast<std::streamsize>(all.size()));
  }
  result<void> load() {
    const auto s = model_->new_sequence();
    auto done = read_prompt_file(path(), id_, *s);
    EXPECT_EQ(s->size() == 0, !done);
    return done;
  }

  std::optional<test::tiny_vindex> vindex_;
  std::unique_ptr<test::running_model> model_;
  test::temporary_directory dir_;
  prompt_file_id id_;
};

TEST_F(PromptFile, GivesTheBitsThatReadingAgainWouldGive) {
  for (const auto n : {1u, 40u, 63u, 64u, 65u, 333u}) {
    SCOPED_TRACE(n);
    write(text(n));
    const auto s = model_->new_sequence();
    ASSERT_TRUE(succeeds(read_prompt_file(path(), id_, *s)));
    EXPECT_EQ(ids(s->tokens().begin(), s->tokens().end()), text(n));
    const auto fresh = read(text(n));
    for (const auto* more : {s.get(), fresh.get()})
      ASSERT_TRUE(succeeds(model_->executor().append(const_cast<sequence&>(*more), text(30, 3))));
    const auto a = *model_->executor().last_logits(*s);
    const auto got = std::vector<float>(a.begin(), a.end());
    const auto b = *model_->executor().last_logits(*fresh);
    EXPECT_EQ(got, std::vector<float>(b.begin(), b.end()));
  }
}

TEST_F(PromptFile, ItsHeadSaysWhoseItIsAndItsTokens) {
  write(text(100));
  const auto head = read_prompt_head(path());
  ASSERT_TRUE(succeeds(head));
  EXPECT_EQ(head->id, id_);
  EXPECT_EQ(head->tokens, text(100));
  EXPECT_EQ(head->bytes, std::filesystem::file_size(path()));
}

TEST_F(PromptFile, ItSaysWhichNodesHadAPartInIt) {
  const auto makers = std::vector<std::uint64_t>{7, 1ull << 63};
  const auto s = read(text(50));
  ASSERT_TRUE(succeeds(write_prompt_file(path(), id_, s->share(s->size()), makers)));
  EXPECT_EQ(read_prompt_head(path())->makers, makers);
  auto ledger = experts::maker_ledger{};
  const auto again = model_->new_sequence();
  ASSERT_TRUE(succeeds(read_prompt_file(path(), id_, *again, &ledger)));
  EXPECT_EQ(again->void_from(ledger), 50u);
  ASSERT_TRUE(ledger.condemn(1ull << 63, "lied"));
  EXPECT_EQ(again->void_from(ledger), 0u);
}

TEST_F(PromptFile, ItsOwnerAloneMayReadIt) {
  write(text(10));
  struct stat s {};
  ASSERT_EQ(::stat(path().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  ASSERT_EQ(::chmod(path().c_str(), 0640), 0);
  EXPECT_TRUE(fails(load(), errc::usage, {"a.prompt", "its owner alone"}));
  std::filesystem::rename(path(), dir_ / "b");
  ASSERT_EQ(::chmod((dir_ / "b").c_str(), 0600), 0);
  std::filesystem::create_symlink(dir_ / "b", path());
  EXPECT_FALSE(load()) << "links are not followed";
}

TEST_F(PromptFile, ThatOfAnotherModelOrOwnerIsRefused) {
  write(text(10));
  auto other = id_;
  other.owner[3] = std::byte{9};
  const auto s = model_->new_sequence();
  EXPECT_TRUE(fails(read_prompt_file(path(), other, *s), errc::mismatch, {"another model"}));
  other = id_;
  other.model[0] = std::byte{9};
  EXPECT_TRUE(fails(read_prompt_file(path(), other, *s), errc::mismatch, {"another model"}));
  EXPECT_EQ(s->size(), 0u);
}

TEST_F(PromptFile, OneOfMoreTokensThanTheContextIsRefused) {
  write(text(300));
  auto o = sequence_options{};
  o.kv = gemma4::kv_format::f32;
  o.max_context = 299;
  const auto s = *sequence::create(model_->model(), model_->kv(), o);
  EXPECT_TRUE(fails(read_prompt_file(path(), id_, *s), errc::mismatch, {"300", "299"}));
}

TEST_F(PromptFile, OneWithBlocksOfAnotherSizeIsRefused) {
  write(text(300));
  auto o = sequence_options{};
  o.kv = gemma4::kv_format::f16;
  o.max_context = 400;
  const auto s = *sequence::create(model_->model(), model_->kv(), o);
  EXPECT_TRUE(fails(read_prompt_file(path(), id_, *s), errc::corrupt, {"layer 0", "expected"}));
}

TEST_F(PromptFile, AMissingFileIsNotFound) {
  EXPECT_TRUE(fails(read_prompt_head(dir_ / "none"), errc::not_found, {"none"}));
}

TEST_F(PromptFile, AnyByteThatIsChangedIsNoticed) {
  write(text(70));
  const auto good = bytes();
  for (auto at = std::size_t{0}; at < good.size(); at += at < 600 ? 7 : 911) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    put(bad);
    EXPECT_FALSE(load()) << at;
  }
  put(good);
  EXPECT_TRUE(succeeds(load()));
}

TEST_F(PromptFile, AnyLengthButTheRightOneIsNoticed) {
  write(text(70));
  const auto good = bytes();
  for (const auto n :
       {std::size_t{0}, std::size_t{8}, std::size_t{79}, std::size_t{200}, good.size() - 1}) {
    put({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n)});
    EXPECT_TRUE(fails(load(), errc::corrupt, {"a.prompt"})) << n;
  }
  auto longer = good;
  longer.push_back(0);
  put(longer);
  EXPECT_TRUE(fails(load(), errc::corrupt, {"expected"}));
}

} // namespace
} // namespace larql::generate
