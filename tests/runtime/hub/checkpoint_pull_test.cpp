// Mirrors runtime/hub/checkpoint_pull.hpp and stream_note.hpp: a vindex of a checkpoint that is
// never here as a whole.

#include "runtime/hub/checkpoint_pull.hpp"

#include "runtime/hub/stream_note.hpp"
#include "runtime/import/extract.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/safetensors_writer.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

namespace larql::hub {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class CheckpointPull : public testing::Test {
protected:
  CheckpointPull() {
    const auto o = test::all_in(quant::encoding::bf16);
    test::write_hf(test::tiny_model{o}.checkpoint(), hf_,
                   {.prefix = "model.language_model.", .shards = 3, .vision = true});
    server_.commit_directory("ann/tiny", hf_);
    for (const auto& [name, content] : test::read_tree(hf_))
      if (name.ends_with(".safetensors")) {
        hashes_.push_back(test::sha256_of(content));
        sizes_.push_back(content.size());
        total_ += content.size();
      }
    options_.pull.http.access.endpoint = server_.endpoint();
    options_.pull.http.access.origin = server_.endpoint();
    options_.pull.keep_commit = true;
    options_.window_bytes = 128 << 10;
  }
  result<void> pull() {
    server_.forget_calls();
    return pull_checkpoint(*parse_hub_path("hf://ann/tiny"), hub(), made(), pool_, options_);
  }
  [[nodiscard]] fs::path hub() const { return dir_ / "hub"; }
  [[nodiscard]] fs::path made() const { return dir_ / "v"; }
  [[nodiscard]] bool is_as_extracted() {
    if (!fs::exists(dir_ / "want")) {
      const auto source = import::open_hf(hf_);
      EXPECT_TRUE(succeeds(source));
      auto o = import::extract_options{};
      o.quant = vindex::quant_kind::q4k;
      EXPECT_TRUE(succeeds(import::extract(*source, dir_ / "want", pool_, o)));
    }
    return test::read_tree(made()) == test::read_tree(dir_ / "want");
  }
  // What the checkpoint takes on the disk at this moment.
  [[nodiscard]] std::uint64_t held_bytes() const {
    auto sum = std::uint64_t{0};
    for (const auto& f : fs::recursive_directory_iterator{hub()}) {
      struct stat st {};
      if (f.path().extension() == ".safetensors" && ::stat(f.path().c_str(), &st) == 0)
        sum += static_cast<std::uint64_t>(st.st_blocks) * 512;
    }
    return sum;
  }
  // Asks for the end when so much has come.
  void stop_after(double part) {
    stop_ = {};
    options_.pull.http.stop = stop_.get_token();
    options_.pull.on_progress = [this, part](const pull_progress& p) {
      if (static_cast<double>(p.done_bytes) > part * static_cast<double>(p.total_bytes))
        stop_.request_stop();
    };
  }
  void never_stop() {
    options_.pull.http.stop = {};
    options_.pull.on_progress = nullptr;
  }

  compute_pool pool_{2};
  test::temporary_directory dir_;
  fs::path hf_ = dir_ / "tiny";
  test::hub_server server_;
  checkpoint_pull_options options_;
  std::vector<std::string> hashes_; // of the shards, in order
  std::vector<std::uint64_t> sizes_;
  std::uint64_t total_ = 0;
  std::stop_source stop_;
};

TEST_F(CheckpointPull, MakesWhatExtractMakesAndLeavesNothingOfTheCheckpoint) {
  auto told = std::uint64_t{0}, most = std::uint64_t{0};
  options_.on_start = [&](std::uint64_t source, std::uint64_t) { told = source; };
  options_.pull.on_progress = [&](const pull_progress& p) {
    most = std::max(most, held_bytes());
    EXPECT_LE(p.done_bytes, p.total_bytes);
    EXPECT_EQ(p.total_bytes, total_);
  };
  ASSERT_TRUE(succeeds(pull()));
  EXPECT_TRUE(is_as_extracted());
  EXPECT_EQ(told, total_);
  EXPECT_GT(most, 0u);
  EXPECT_LT(most, total_ / 2); // the disk never held it all
  EXPECT_EQ(held_bytes(), 0u);
  EXPECT_LT(server_.sent_bytes(), total_ * 5 / 4);
  EXPECT_FALSE(fs::exists(made() / stream_note_file));
}

TEST_F(CheckpointPull, AStoppedOneGoesOnWhereItWas) {
  for (const auto part : {0.3, 0.6, 0.9}) {
    stop_after(part);
    EXPECT_TRUE(fails(pull(), errc::cancelled, {"goes on"}));
    EXPECT_FALSE(fs::exists(made()));
  }
  never_stop();
  ASSERT_TRUE(succeeds(pull()));
  EXPECT_LT(server_.sent_bytes(), total_ / 2);
  EXPECT_TRUE(is_as_extracted());
}

TEST_F(CheckpointPull, AFileWithAWrongHashIsTakenAgainAndNoOther) {
  server_.storage().add_fault({.target = hashes_[1], .skip = 3, .flip = true});
  auto notices = std::vector<std::string>{};
  options_.pull.http.on_notice = [&](const std::string& text) { notices.push_back(text); };
  ASSERT_TRUE(succeeds(pull()));
  EXPECT_TRUE(is_as_extracted());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("model-00002-of-00003.safetensors"), std::string::npos) << notices[0];
  // Requests of a file that is taken once: for its head, and for each window.
  const auto once = [&](std::size_t i) { return 2 + (sizes_[i] - 1) / options_.window_bytes; };
  for (const auto i : {0u, 1u, 2u})
    EXPECT_EQ(server_.storage().count(hashes_[i]), (i == 1 ? 2 : 1) * once(i)) << i;
}

TEST_F(CheckpointPull, AFileThatIsAlwaysWrongEndsItAndTheVindexHasNoName) {
  server_.storage().add_fault({.target = hashes_[2], .skip = 3, .times = 1000, .flip = true});
  EXPECT_TRUE(fails(pull(), errc::corrupt,
                    {"hf://ann/tiny", "model-00003-of-00003.safetensors", "3 times"}));
  EXPECT_FALSE(fs::exists(made()));
  // What was right stays.
  server_.storage().clear_faults();
  ASSERT_TRUE(succeeds(pull()));
  EXPECT_TRUE(is_as_extracted());
  EXPECT_EQ(server_.storage().count(hashes_[0]), 0u);
}

TEST_F(CheckpointPull, WhatWasLostOfEitherSideIsTakenAgain) {
  stop_after(0.5);
  EXPECT_FALSE(pull());
  fs::remove_all(hub()); // the checkpoint's last bytes
  never_stop();
  stop_after(0.7);
  EXPECT_FALSE(pull());
  fs::remove_all(dir_ / "v.partial"); // what was made of it
  never_stop();
  ASSERT_TRUE(succeeds(pull()));
  EXPECT_TRUE(is_as_extracted());
}

TEST_F(CheckpointPull, AnotherCommitIsAnotherCheckpoint) {
  auto one = snapshot{"",
                      "",
                      {{"config.json", 1, std::string(40, 'a'), ""},
                       {"model.safetensors", 1, "", std::string(64, 'b')},
                       {"README.md", 1, std::string(40, 'c'), ""}}};
  auto other = one;
  other.files[2].git_blob = std::string(40, 'd');
  EXPECT_EQ(checkpoint_identity(one), checkpoint_identity(other));
  other.files[1].sha256 = std::string(64, 'e');
  EXPECT_NE(checkpoint_identity(one), checkpoint_identity(other));
}

TEST(StreamNote, WhatIsWrittenIsReadAndDamageIsNamed) {
  auto note = stream_note{};
  note["a.safetensors"] = {640, hash_bytes({}), false};
  note["b.safetensors"] = {641, {}, true};
  EXPECT_EQ(*parse_stream_note(write_stream_note(note), "N"), note);
  note["a.safetensors"].bytes = 641; // not whole blocks
  EXPECT_TRUE(
      fails(parse_stream_note(write_stream_note(note), "N"), errc::corrupt, {"N", "middle"}));
  EXPECT_TRUE(fails(parse_stream_note("{", "N"), errc::corrupt, {"N"}));
}

} // namespace
} // namespace larql::hub
