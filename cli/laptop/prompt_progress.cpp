#include "cli/laptop/prompt_progress.hpp"

#include "cli/support/output.hpp"

namespace larql::cli {

std::optional<std::string> prompt_progress::text(std::uint32_t read, clock::time_point now) {
  if (read >= tokens_ || now - last_ < interval)
    return std::nullopt;
  last_ = now;
  return fmt::format("reading the prompt: {} of {} tokens", read, tokens_);
}

void say_progress(prompt_progress& p, std::uint32_t read) {
  if (const auto text = p.text(read, prompt_progress::clock::now()))
    say_line(*text);
}

} // namespace larql::cli
