#include "cli/serve/api/completion_event.hpp"

namespace larql::serve {

namespace {

struct text_size {
  std::size_t operator()(const text_delta& e) const {
    auto out = e.text.size();
    for (const auto& token : e.logprobs) {
      out += sizeof token + token.chosen.bytes.size();
      for (const auto& other : token.top)
        out += sizeof other + other.bytes.size();
    }
    return out;
  }
  std::size_t operator()(const reasoning_delta& e) const { return e.text.size(); }
  std::size_t operator()(const call_begin& e) const { return e.id.size() + e.name.size(); }
  std::size_t operator()(const call_arguments& e) const { return e.json.size(); }
  std::size_t operator()(const choice_end& e) const { return e.stop_text.size(); }
  std::size_t operator()(const api_error& e) const { return e.message.size() + e.param.size(); }
  template <class Other>
  std::size_t operator()(const Other&) const {
    return 0;
  }
};

} // namespace

std::size_t size_of(const completion_event& event) {
  return sizeof event + std::visit(text_size{}, event);
}

} // namespace larql::serve
