// Mirrors runtime/hub/transfer.hpp: what the threads do when the system has few. What they fetch is
// in pull_test.cpp.

#include "runtime/hub/transfer.hpp"

#include "tests/support/few_threads.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

TEST(TransferDeathTest, GoesOnWithTheThreadsThatItGets) {
  const auto dir = test::temporary_directory{};
  auto files = std::vector<std::unique_ptr<pull_target>>{};
  for (auto i = 0; i < 64; ++i) { // nothing of them is wanted, so nothing is fetched
    files.push_back(std::make_unique<pull_target>(
        pull_layout{dir.path()}, planned_file{{fmt::format("file-{}", i), 8, "", ""}, {}, false}));
  }
  auto options = transfer_options{};
  options.connections = 64;
  options.url_of = [](const remote_file&) { return std::string{}; };
  options.checks_of = [](const planned_file&, const file&) {
    return result<std::vector<content_check>>{std::vector<content_check>{}};
  };
  EXPECT_EXIT(
      {
        test::allow_few_more_threads();
        ::_exit(transfer(files, {}, options) ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

} // namespace
} // namespace larql::hub
