// Whatever is killed at whatever moment: the same command, given again, ends with a result that
// passes verification and has the bytes of an undisturbed run. Extract, slice, pull and publish.
//
// Moments are random (LARQL_KILL_SEED); LARQL_KILLS says how many results each command is to reach
// that way. How many kills it took, and how many came in the middle, is printed.

#include "tests/e2e/programs.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// Large enough that there is a middle.
tiny_gguf larger_model() {
  auto m = tiny_gguf{};
  m.layers = 12;
  m.expert_width = 192;
  m.expert_encodings = {quant::encoding::q8_0, quant::encoding::f32};
  return m;
}

class Kill : public model_test {
protected:
  Kill() : model_test(larger_model()) {}

  void SetUp() override {
    model_test::SetUp();
    expected_ = read_tree(vindex());
  }

  /// Kills `command` at random moments, once or a few times, then lets it end; that as often as
  /// asked for. `check` judges each result, `reset` takes it away.
  void kill_and_repeat(const words& command, const std::function<void()>& reset,
                       const std::function<void()>& check) {
    const auto results = number_in("LARQL_KILLS", 4);
    const auto seed = number_in("LARQL_KILL_SEED", 1);
    auto random = random_source{seed};
    auto kills = 0u, in_the_middle = 0u;
    auto whole = uninterrupted(command);
    for (auto i = 0u; i < results && !HasFailure(); ++i) {
      reset();
      do {
        ++kills;
        const auto moment = std::chrono::microseconds{
            static_cast<std::int64_t>(random.uniform(0, static_cast<float>(whole.count())))};
        auto child = child_process{command, settings_};
        const auto ended = child.wait(std::chrono::ceil<std::chrono::milliseconds>(moment));
        in_the_middle += ended ? 0 : 1;
        child.signal(SIGKILL);
        ASSERT_TRUE(ended || child.wait());
      } while (random.below(2) == 0);
      whole = uninterrupted(command);
      SCOPED_TRACE(fmt::format("result {} of seed {}", i, seed));
      check();
    }
    fmt::print("{} kills, {} in the middle, {} results, seed {}\n", kills, in_the_middle, results,
               seed);
    EXPECT_GT(in_the_middle, 0u);
  }

  void expect_verified(const fs::path& dir) const {
    const auto verified = run(larql({"verify", dir.string(), "--deep"}));
    EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
    expect_same(read_tree(dir));
  }
  void expect_same(file_tree found) const {
    std::erase_if(found, [](const auto& f) { return f.first.starts_with(".larql-pull"); });
    EXPECT_EQ(found.size(), expected_.size());
    for (const auto& [name, content] : expected_)
      EXPECT_EQ(difference(found[name], content), "") << name;
  }

  [[nodiscard]] fs::path copy() const { return scratch_ / "copy"; }

  child_process::variables settings_;
  file_tree expected_;

private:
  // How long it takes; it must succeed.
  std::chrono::microseconds uninterrupted(const words& command) const {
    const auto begin = steady::now();
    const auto done = run(command, settings_);
    EXPECT_EQ(done.code, 0) << done.err;
    return std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - begin);
  }
};

TEST_F(Kill, ExtractEndsWithAVerifiedResult) {
  kill_and_repeat(
      larql({"extract", gguf().string(), "-o", copy().string(), "-t", "1", "--force"}),
      [&] { fs::remove_all(copy()); }, [&] { expect_verified(copy()); });
  EXPECT_FALSE(fs::exists(scratch_ / "copy.partial"));
}

TEST_F(Kill, SliceEndsWithAVerifiedResult) {
  const auto command = larql(
      {"slice", vindex().string(), "-o", copy().string(), "--preset", "all", "-t", "1", "--force"});
  ASSERT_EQ(run(command).code, 0);
  expected_ = read_tree(copy()); // it says that it is a slice
  kill_and_repeat(
      command, [&] { fs::remove_all(copy()); }, [&] { expect_verified(copy()); });
  EXPECT_FALSE(fs::exists(scratch_ / "copy.partial"));
}

TEST_F(Kill, PullEndsWithAVerifiedResult) {
  auto hub = hub_server{};
  hub.commit_directory("ann/tiny", vindex());
  hub.storage().add_fault({.target = "/blob/", .times = 1'000'000, .per_block = 1ms});
  settings_ = hub.environment();
  kill_and_repeat(
      larql({"pull", "hf://ann/tiny", "-o", copy().string()}), [&] { fs::remove_all(copy()); },
      [&] { expect_verified(copy()); });
}

TEST_F(Kill, PublishEndsWithAVerifiedResult) {
  auto hub = std::optional<hub_server>{};
  const auto start_anew = [&] {
    hub.emplace();
    hub->part_bytes = 100'000;
    settings_ = hub->environment("hf_secret");
    settings_["LARQL_CACHE"] = (scratch_ / "cache").string();
    fs::remove_all(scratch_ / "cache");
  };
  start_anew();
  kill_and_repeat(larql({"publish", vindex().string(), "--repo", "ann/tiny"}), start_anew, [&] {
    auto there = hub->files("ann/tiny");
    there.erase(".gitattributes");
    expect_same(there);
    fs::remove_all(copy());
    const auto pulled = run(larql({"pull", "hf://ann/tiny", "-o", copy().string()}), settings_);
    EXPECT_EQ(pulled.code, 0) << pulled.err;
    expect_verified(copy());
  });
}

} // namespace
} // namespace larql::test
