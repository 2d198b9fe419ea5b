// Everything that a command writes under a name that people choose: what is there already stays,
// unless it is of the kind that --force may replace. One table over all commands that write
// directories, one over all that write files.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"

#include <functional>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace larql::test {
namespace {

using tree = file_tree;

/// The command, run in another directory.
words in_directory(const fs::path& dir, words command) {
  command.insert(command.begin(),
                 {"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", dir.string()});
  return command;
}

// ---- directories --------------------------------------------------------------------------------

// Large enough that there is a middle.
tiny_gguf larger_model() {
  auto m = tiny_gguf{};
  m.layers = 12;
  m.expert_width = 192;
  m.expert_encodings = {quant::encoding::f32};
  return m;
}

class DirectoryOutputs : public model_test {
protected:
  DirectoryOutputs() : model_test(larger_model()) {}

  void SetUp() override {
    model_test::SetUp();
    hub_.commit_directory("ann/tiny", vindex());
    whole_ = read_tree(vindex());
  }

  /// Makes a directory; with --force where there is such a flag.
  struct directory_command {
    std::string name;
    words arguments; ///< all but -o DESTINATION
    fs::path source; ///< empty: not of this machine
  };
  [[nodiscard]] std::vector<directory_command> commands() const {
    return {{"extract", {"extract", gguf().string(), "--force"}, gguf()},
            {"slice", {"slice", vindex().string(), "--preset", "all", "--force"}, vindex()},
            {"pull", {"pull", "hf://ann/tiny"}, {}}};
  }
  [[nodiscard]] static words with_output(const directory_command& c, const fs::path& to) {
    auto out = larql(c.arguments);
    out.insert(out.end(), {"-o", to.string()});
    return out;
  }
  finished make(const directory_command& c, const fs::path& to) {
    return run(with_output(c, to), hub_.environment());
  }

  hub_server hub_;
  tree whole_;
};

TEST_F(DirectoryOutputs, NothingIsReplacedThatNoCommandMade) {
  struct given {
    const char* name;
    /// Puts something into the empty directory and returns the destination.
    std::function<fs::path(const fs::path&)> make;
    std::string says; ///< empty: nothing in particular
    bool pull_may = false;
  };
  const auto cases = std::vector<given>{
      {"a directory with files of somebody else",
       [](const fs::path& dir) {
         write_file(dir / "to/thesis.txt", std::string_view{"precious"});
         return dir / "to";
       },
       ""},
      {"a vindex with such a file",
       [&](const fs::path& dir) {
         fs::copy(vindex(), dir / "to", fs::copy_options::recursive);
         write_file(dir / "to/thesis.txt", std::string_view{"precious"});
         return dir / "to";
       },
       ""},
      {"a link to a directory of somebody else",
       [](const fs::path& dir) {
         write_file(dir / "real/thesis.txt", std::string_view{"precious"});
         fs::create_directory_symlink("real", dir / "to");
         return dir / "to";
       },
       ""},
      {"a file",
       [](const fs::path& dir) {
         write_file(dir / "to", std::string_view{"precious"});
         return dir / "to";
       },
       ""},
      {"a pipe",
       [](const fs::path& dir) {
         EXPECT_EQ(::mkfifo((dir / "to").c_str(), 0600), 0);
         return dir / "to";
       },
       ""},
      {"a partial directory of somebody else",
       [](const fs::path& dir) {
         write_file(dir / "to.partial/thesis.txt", std::string_view{"precious"});
         return dir / "to";
       },
       "to.partial", true},
      {"an empty name", [](const fs::path&) { return fs::path{}; }, ""},
  };
  for (const auto& command : commands())
    for (const auto& c : cases) {
      SCOPED_TRACE(command.name + ": " + c.name);
      if (command.name == "pull" && c.pull_may)
        continue;
      const auto dir = scratch_ / "case";
      fs::remove_all(dir);
      fs::create_directory(dir);
      const auto to = c.make(dir);
      const auto pipe = fs::is_fifo(dir / "to");
      const auto before = pipe ? tree{} : read_tree(dir);
      const auto done = make(command, to);
      EXPECT_EQ(done.code, 2) << done.err;
      EXPECT_NE(done.err.find(c.says), std::string::npos) << done.err;
      EXPECT_EQ(done.out, "");
      if (pipe)
        EXPECT_TRUE(fs::is_fifo(dir / "to"));
      else
        EXPECT_EQ(read_tree(dir), before);
      EXPECT_TRUE(!fs::exists(dir / "real") || fs::is_symlink(dir / "to"));
    }
}

TEST_F(DirectoryOutputs, TheSourceAndWhatHoldsItStay) {
  for (const auto& command : commands()) {
    if (command.source.empty())
      continue;
    SCOPED_TRACE(command.name);
    const auto link = scratch_ / "link";
    fs::remove(link);
    fs::create_symlink(command.source, link);
    for (const auto& to : {command.source, link, scratch_.path()}) {
      const auto done = make(command, to);
      EXPECT_EQ(done.code, 2) << to << done.err;
      EXPECT_TRUE(fs::exists(command.source));
      EXPECT_TRUE(fs::is_symlink(link));
      EXPECT_EQ(read_tree(vindex()), whole_);
    }
  }
}

TEST_F(DirectoryOutputs, TheWorkingDirectoryStays) {
  const auto here = scratch_ / "here";
  fs::copy(vindex(), here, fs::copy_options::recursive);
  for (const auto& command : commands()) {
    if (command.source.empty()) // a pull fills a directory and replaces none
      continue;
    for (const auto& to : {fs::path{"."}, here, fs::path{"../here"}}) {
      const auto done = run(in_directory(here, with_output(command, to)));
      EXPECT_EQ(done.code, 2) << command.name;
      EXPECT_NE(done.err.find("is the working directory"), std::string::npos) << done.err;
      EXPECT_EQ(read_tree(here), whole_);
    }
  }
}

TEST_F(DirectoryOutputs, ForceReplacesAVindex) {
  const auto to = scratch_ / "to";
  for (const auto& command : commands()) {
    if (command.source.empty())
      continue;
    fs::remove_all(to);
    fs::copy(vindex(), to, fs::copy_options::recursive);
    write_file(to / "README.md", std::string_view{"of the old one"});
    const auto done = make(command, to);
    EXPECT_EQ(done.code, 0) << command.name << done.err;
    EXPECT_FALSE(fs::exists(to / "README.md"));
    EXPECT_EQ(read_tree(to).count("index.json"), 1u);
    EXPECT_FALSE(fs::exists(scratch_ / "to.partial"));
  }
}

TEST_F(DirectoryOutputs, TheSecondOfTwoProgramsSaysWhoHasTheOutput) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{500}});
  for (const auto& command : commands()) {
    SCOPED_TRACE(command.name);
    const auto to = scratch_ / ("twice-" + command.name);
    const auto partial = fs::path{to.string() + ".partial"};
    // And has its lock, which a pull gives back once, between its look at the repository, which
    // leaves state and lock, and the first file.
    const auto has_begun = [&] {
      return command.source.empty() ? files_in(to / ".larql-pull") > 2 : files_in(partial) > 1;
    };
    // The first one may be through before it is stopped; then another try is made.
    auto stopped = false;
    for (auto tries = 0; !stopped && tries < 20; ++tries) {
      fs::remove_all(to);
      auto first = child_process{with_output(command, to), hub_.environment()};
      EXPECT_TRUE(eventually([&] { return has_begun() || fs::exists(to / "index.json"); }));
      first.signal(SIGSTOP);
      EXPECT_TRUE(eventually([&] {
        const auto state = process_state(first.pid());
        return state == 'T' || state == 'Z';
      }));
      stopped = process_state(first.pid()) == 'T' && !fs::exists(to / "index.json");
      if (!stopped)
        continue;
      const auto second = make(command, to);
      EXPECT_EQ(second.code, 1) << second.err;
      EXPECT_NE(second.err.find(fmt::format("process {} ", first.pid())), std::string::npos)
          << second.err;
      if (!command.source.empty())
        continue;
      // Nor is it taken from under a pull.
      const auto replaces = make(commands()[1], to);
      EXPECT_EQ(replaces.code, 1) << replaces.err;
      EXPECT_NE(replaces.err.find(fmt::format("process {} is pulling", first.pid())),
                std::string::npos)
          << replaces.err;
    }
    EXPECT_TRUE(stopped);
  }
}

// ---- files --------------------------------------------------------------------------------------

class FileOutputs : public model_test {
protected:
  struct file_command {
    std::string name;
    std::string file; ///< what it writes, below its directory
    std::function<words(const fs::path& dir)> arguments;
    std::function<void(const fs::path& dir)> prepare;
  };
  [[nodiscard]] std::vector<file_command> commands() const {
    const auto nothing = [](const fs::path&) {};
    return {
        {"logits", "out",
         [this](const fs::path& dir) {
           return words{"logits", vindex().string(), "--ids", "2 5", "-o", (dir / "out").string()};
         },
         nothing},
        {"topology init", "out",
         [](const fs::path& dir) {
           return words{"topology", "init", "-o", (dir / "out").string()};
         },
         nothing},
        {"certs secret", "out",
         [](const fs::path& dir) {
           return words{"certs", "secret", (dir / "out").string()};
         },
         nothing},
        {"certs init", "ca.key",
         [](const fs::path& dir) {
           return words{"certs", "init", "--dir", dir.string()};
         },
         nothing},
        {"certs issue", "alpha.pem",
         [](const fs::path& dir) {
           return words{"certs", "issue", "alpha", "--dir", dir.string()};
         },
         [](const fs::path& dir) {
           ASSERT_EQ(run(larql({"certs", "init", "--dir", dir.string()})).code, 0);
         }},
    };
  }

  /// Calls `check` for each command with a directory of its own and the path of its output.
  void for_each(const std::function<void(const file_command&, const fs::path& dir,
                                         const fs::path& to)>& check) const {
    for (const auto& c : commands()) {
      SCOPED_TRACE(c.name);
      const auto dir = scratch_ / "case";
      fs::remove_all(dir);
      fs::create_directory(dir);
      c.prepare(dir);
      check(c, dir, dir / c.file);
    }
  }
  static finished write(const file_command& c, const fs::path& dir, bool force = false) {
    auto arguments = c.arguments(dir);
    if (force)
      arguments.emplace_back("--force");
    return run(larql(arguments));
  }
};

TEST_F(FileOutputs, AnExistingFileNeedsForce) {
  for_each([](const auto& c, const fs::path& dir, const fs::path& to) {
    write_file(to, std::string_view{"precious"});
    const auto before = read_tree(dir);
    const auto refused = write(c, dir);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_NE(refused.err.find("--force"), std::string::npos) << refused.err;
    EXPECT_EQ(read_tree(dir), before);
    const auto done = write(c, dir, true);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(read_file(to), "precious");
  });
}

TEST_F(FileOutputs, LinksAreFollowed) {
  for_each([](const auto& c, const fs::path& dir, const fs::path& to) {
    fs::create_symlink("real", to);
    const auto done = write(c, dir);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_TRUE(fs::is_symlink(to));
    EXPECT_FALSE(read_file(dir / "real").empty());
  });
}

TEST_F(FileOutputs, APipeIsWrittenTo) {
  for_each([](const auto& c, const fs::path& dir, const fs::path& to) {
    ASSERT_EQ(::mkfifo(to.c_str(), 0600), 0);
    auto reader = child_process{{"/bin/cat", to.string()}};
    const auto done = write(c, dir);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(reader.wait(), (exit_status{0, 0}));
    EXPECT_FALSE(reader.out().empty());
    EXPECT_TRUE(fs::is_fifo(to));
  });
}

TEST_F(FileOutputs, ADeviceIsWrittenToAlsoWithForce) {
  for_each([](const auto& c, const fs::path& dir, const fs::path& to) {
    // A null device of the test's own.
    if (::mknod(to.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0)
      GTEST_SKIP() << "devices cannot be made here";
    for (const auto force : {false, true}) {
      const auto done = write(c, dir, force);
      if (done.err.find("open: Permission denied") != std::string::npos)
        GTEST_SKIP() << "devices cannot be used here";
      // Of a pair the other file is there the second time.
      EXPECT_EQ(done.code, 0) << done.err;
      EXPECT_TRUE(fs::is_character_file(to));
    }
  });
}

TEST_F(FileOutputs, NothingBesideTheOutputIsTouched) {
  for_each([](const auto& c, const fs::path& dir, const fs::path& to) {
    // What other programs would take for their temporary file.
    write_file(dir / "bait", std::string_view{"precious"});
    auto temporary = to, partial = to;
    fs::create_symlink("bait", temporary += ".tmp");
    fs::create_symlink("bait", partial += ".partial");
    const auto done = write(c, dir);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(read_file(dir / "bait"), "precious");
    EXPECT_TRUE(fs::is_symlink(temporary));
    EXPECT_TRUE(fs::is_symlink(partial));
    for (const auto& [name, content] : read_tree(dir))
      EXPECT_FALSE(name.starts_with('.')) << name << " was left behind";
  });
}

TEST_F(FileOutputs, TheLogitsOfAFileAndOfStandardOutputAreTheSame) {
  const auto file = scratch_ / "logits";
  const auto command = [&](const std::string& to) {
    return larql({"logits", vindex().string(), "--ids", "2 5", "-o", to});
  };
  ASSERT_EQ(run(command(file.string())).code, 0);
  const auto link = scratch_ / "link"; // as /dev/stdout
  fs::create_symlink("/proc/self/fd/1", link);
  for (const auto& to : {std::string{"-"}, link.string()}) {
    const auto done = run(command(to));
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(difference(done.out, read_file(file)), "") << to;
  }
  EXPECT_TRUE(fs::is_symlink(link));
}

} // namespace
} // namespace larql::test
