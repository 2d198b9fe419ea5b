// A node under limits of threads, address space and descriptors: at every count it either serves or
// ends with a line that says why. It never hangs, never dies of a signal, and never says that it is
// ready without somebody who answers.

#include "tests/e2e/programs.hpp"
#include "tests/support/http_get.hpp"

#include <sys/stat.h>

namespace larql::test {
namespace {

struct limit {
  const char* option; ///< of prlimit
  std::uint64_t first, last, step;
};

void PrintTo(const limit& l, std::ostream* out) {
  *out << l.option;
}

constexpr auto loader_failed = 127; // what the system's loader exits with

class NodeUnderLimits : public model_test, public testing::WithParamInterface<limit> {
protected:
  void SetUp() override {
    if (::getuid() != 0)
      GTEST_SKIP() << "only root may run a program as another user";
#if defined(__SANITIZE_ADDRESS__)
    if (GetParam().option == std::string{"as"})
      GTEST_SKIP() << "the sanitizer takes more addresses than there are";
#endif
    model_test::SetUp();
    fs::permissions(scratch_.path(), fs::perms{0755}); // for the other user
    for (const auto& f : fs::recursive_directory_iterator{vindex()})
      fs::permissions(f.path(), f.is_directory() ? fs::perms{0755} : fs::perms{0644});
    fs::permissions(vindex(), fs::perms{0755});
  }

  // Threads are counted by user, and root has no limit: the node runs as a user that nobody is.
  [[nodiscard]] static words limited(const limit& l, std::uint64_t count, const words& command) {
    const auto user = fmt::format("{}", 200'000 + ::getpid() % 100'000);
    auto out =
        words{"/usr/bin/setpriv", "--reuid",          user,
              "--clear-groups",   "/usr/bin/prlimit", fmt::format("--{}={}", l.option, count)};
    out.insert(out.end(), command.begin(), command.end());
    return out;
  }

  static void expect_error(child_process& child, const std::string& program,
                           const std::string& what) {
    const auto ended = child.wait();
    ASSERT_TRUE(ended) << what << ": hangs";
    if (ended->code == loader_failed)
      return; // it never came to our code
    EXPECT_EQ(*ended, (exit_status{1, 0})) << what << ": " << child.err();
    EXPECT_NE(child.err().find(program + ": "), std::string::npos) << what << ": " << child.err();
  }

  void expect_serves_or_ends(const limit& l, std::uint64_t count) const {
    const auto what = fmt::format("{} {}", l.option, count);
    auto child = child_process{limited(
        l, count, larql_node({vindex().string(), "--port", "0", "-t", "2", "--http-port", "0"}))};
    if (!child.wait_for_out("\n"))
      return expect_error(child, "larql-node", what);
    const auto line = child.out();
    const auto at = line.find(" ready on ") + 10;
    const auto map = "0-7=caf://" + line.substr(at, line.find(": ", at) - at);
    const auto asked = run(larql({"status", "--moe-shards", map, "--pings", "1"}));
    EXPECT_NE(asked.out.find("serving"), std::string::npos)
        << what << ": " << asked.out << asked.err << child.err();
    child.signal(SIGTERM);
    EXPECT_EQ(child.wait(), (exit_status{0, 0})) << what << ": " << child.err();
  }
};

TEST_P(NodeUnderLimits, ServesOrEndsWithALineThatSaysWhy) {
  const auto l = GetParam();
  for (auto n = l.first; n <= l.last && !HasFailure(); n += l.step)
    expect_serves_or_ends(l, n);
}

TEST_P(NodeUnderLimits, ALaptopBesideItAnswersOrEndsWithALineThatSaysWhy) {
  const auto node = start_node();
  const auto l = GetParam();
  for (auto n = l.first; n <= l.last && !HasFailure(); n += l.step) {
    const auto what = fmt::format("{} {}", l.option, n);
    auto child = child_process{
        limited(l, n,
                larql({"run", vindex().string(), "abc", "-n", "2", "-t", "2", "--failover-timeout",
                       "0", "--moe-shards", node->owns("0-7")}))};
    const auto ended = child.wait();
    ASSERT_TRUE(ended) << what << ": hangs";
    if (*ended != (exit_status{0, 0}))
      expect_error(child, "larql", what);
  }
}

constexpr auto mib = std::uint64_t{1} << 20;

// Every count of threads and descriptors up to where a node serves; of addresses, steps from where
// the kernel can map the program at all. Below that it ends it by SIGSEGV.
INSTANTIATE_TEST_SUITE_P(Limits, NodeUnderLimits,
                         testing::Values(limit{"nproc", 1, 14, 1}, limit{"nofile", 3, 24, 1},
                                         limit{"as", 16 * mib, 640 * mib, 24 * mib}),
                         [](const auto& i) { return std::string{i.param.option}; });

} // namespace
} // namespace larql::test
