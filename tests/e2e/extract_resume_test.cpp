// Mirrors runtime/import/extract.hpp and cli/laptop/extract.cpp: whatever ends an extract, the same
// command goes on and ends with the same bytes.

#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

// Large enough that there is a middle.
tiny_gguf larger_model() {
  auto m = tiny_gguf{};
  m.layers = 12;
  m.expert_width = 192;
  m.expert_encodings = {quant::encoding::f32};
  return m;
}

class ExtractResume : public model_test {
protected:
  ExtractResume() : model_test(larger_model()) {}

  [[nodiscard]] fs::path copy() const { return scratch_ / "copy.vindex"; }
  [[nodiscard]] fs::path partial() const { return scratch_ / "copy.vindex.partial"; }

  [[nodiscard]] words command() const {
    return larql({"extract", gguf().string(), "-o", copy().string(), "-t", "1"});
  }

  /// Starts an extract and stops it (SIGSTOP) as soon as `condition` holds; false if it was done by
  /// then.
  [[nodiscard]] bool stop_when(child_process& child, const std::function<bool()>& condition) const {
    EXPECT_TRUE(eventually([&] { return condition() || fs::exists(copy()); }));
    child.signal(SIGSTOP);
    EXPECT_TRUE(eventually(
        [&] { return process_state(child.pid()) == 'T' || process_state(child.pid()) == 'Z'; }));
    return process_state(child.pid()) == 'T' && !fs::exists(copy());
  }

  void expect_same_files() const {
    const auto expected = read_tree(vindex()), found = read_tree(copy());
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, content] : expected)
      EXPECT_EQ(difference(found.at(name), content), "") << name;
  }
};

TEST_F(ExtractResume, AKilledExtractGoesOnWithTheSameBytes) {
  // Again and again until it is through: each time a little later.
  auto kills = 0;
  for (auto moment = 1u; !fs::exists(copy()); moment += 2) {
    auto child = child_process{command()};
    if (stop_when(child, [&] { return files_in(partial()) >= moment; }))
      ++kills;
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
    if (moment > 100) { // the rest in one go
      ASSERT_EQ(run(command()).code, 0);
      break;
    }
  }
  EXPECT_GE(kills, 3);
  // Killed after the directory had its name, the last step is left to whoever comes next.
  (void) run(command());
  expect_same_files();
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(ExtractResume, WhatIsDoneIsNotDoneAgain) {
  {
    auto child = child_process{command()};
    ASSERT_TRUE(
        stop_when(child, [&] { return fs::exists(partial() / "layers/layer_02.weights"); }));
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
  }
  const auto before = fs::last_write_time(partial() / "layers/layer_00.weights");
  const auto done = run(command());
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(fs::last_write_time(copy() / "layers/layer_00.weights"), before);
  expect_same_files();
}

TEST_F(ExtractResume, CtrlCSaysThatTheSameCommandGoesOn) {
  {
    auto child = child_process{command()};
    ASSERT_TRUE(stop_when(
        child, [&] { return catches_signal(child.pid(), SIGINT) && files_in(partial()) >= 2; }));
    child.signal(SIGINT);
    child.signal(SIGCONT);
    EXPECT_EQ(child.wait(), (exit_status{130, 0})) << child.err();
    EXPECT_NE(child.err().find("goes on from here"), std::string::npos) << child.err();
  }
  EXPECT_FALSE(fs::exists(copy()));
  const auto done = run(command());
  ASSERT_EQ(done.code, 0) << done.err;
  expect_same_files();
}

TEST_F(ExtractResume, APartOfAnotherSourceIsNotUsed) {
  {
    auto child = child_process{command()};
    ASSERT_TRUE(
        stop_when(child, [&] { return fs::exists(partial() / "layers/layer_02.weights"); }));
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
  }
  auto other = model_;
  other.seed = 99;
  other.write(scratch_ / "other.gguf");
  fs::rename(scratch_ / "other.gguf", gguf());
  const auto refused = run(command());
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("another source"), std::string::npos) << refused.err;
  auto again = command();
  again.emplace_back("--force");
  ASSERT_EQ(run(again).code, 0);
  const auto fresh = scratch_ / "fresh.vindex";
  ASSERT_EQ(run(larql({"extract", gguf().string(), "-o", fresh.string()})).code, 0);
  EXPECT_EQ(read_tree(copy()), read_tree(fresh));
}

TEST_F(ExtractResume, AnExistingVindexIsOnlyReplacedByForce) {
  auto again = larql({"extract", gguf().string(), "-o", vindex().string()});
  const auto refused = run(again);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("exists already"), std::string::npos) << refused.err;
  again.emplace_back("--force");
  EXPECT_EQ(run(again).code, 0);
}

TEST_F(ExtractResume, ThreadsDoNotChangeTheBytes) {
  auto one = command();
  ASSERT_EQ(run(one).code, 0);
  expect_same_files(); // made with one thread for each core
}

} // namespace
} // namespace larql::test
