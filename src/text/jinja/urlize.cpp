// text/jinja/urlize.cpp - the filter urlize: links around the addresses of a text.
#include <algorithm>
#include <set>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_tools.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace hearth::text::jinja {
namespace {

// What Jinja2 3.1.6 takes for an address of the web, of mail, and for a scheme that a caller may add.
constexpr std::string_view kWebAddress =
    R"((?i)\A((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59}))"
    R"(|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil))"
    R"(|(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}\]))))"
    R"((?::[\d]{1,5})?(?:[/?#]\S*)?\z)";
constexpr std::string_view kMailAddress = R"(\A\S+@\w[\w.-]*\.\w+\z)";
constexpr std::string_view kScheme = R"(\A[\w.+-]{2,}:(/){0,2}\z)";

class Pattern {
  public:
    explicit Pattern(std::string_view pattern) {
        auto compiled = Regex::compile(pattern, false, "urlize");
        if (!compiled) throw TemplateError{compiled.error()};
        regex_ = std::make_unique<Regex>(std::move(*compiled));
    }
    [[nodiscard]] bool matches(Interpreter& interpreter, std::string_view text) const {
        interpreter.charge(text.size() * 8);
        const auto found = regex_->find(Regex::Subject(text), 0);
        if (!found) throw TemplateError{found.error()};
        return found->has_value();
    }

  private:
    std::unique_ptr<Regex> regex_;
};

struct Linker {
    Interpreter& interpreter;
    Value limit;             // none, or how many characters of an address are shown
    std::string attributes;  // of a link
    std::vector<std::string> schemes;
    Pattern web{kWebAddress}, mail{kMailAddress};

    std::string shown(const std::string& address) const {
        if (limit.is_none() || compare(Value(text_length(address)), limit, ">") <= 0) return address;
        return slice(interpreter, Value(address), Value::none(), limit, Value::none()).text() + "...";
    }

    std::string link(const std::string& middle) const {
        constexpr std::string_view kMailTo = "mailto:";
        if (web.matches(interpreter, middle)) {
            const bool has_scheme = middle.starts_with("https://") || middle.starts_with("http://");
            return "<a href=\"" + std::string(has_scheme ? "" : "https://") + middle + "\"" + attributes +
                   ">" + shown(middle) + "</a>";
        }
        if (middle.starts_with(kMailTo) && mail.matches(interpreter, middle.substr(kMailTo.size())))
            return "<a href=\"" + middle + "\">" + middle.substr(kMailTo.size()) + "</a>";
        if (middle.find('@') != std::string::npos && !middle.starts_with("www.") &&
            !middle.starts_with('@') && middle.find(':') == std::string::npos &&
            mail.matches(interpreter, middle))
            return "<a href=\"mailto:" + middle + "\">" + middle + "</a>";
        std::string out = middle;
        for (const std::string& scheme : schemes)
            if (out != scheme && out.starts_with(scheme))
                out = "<a href=\"" + out + "\"" + attributes + ">" + out + "</a>";
        return out;
    }

    std::string word(std::string_view text) const {
        std::string_view rest = text;
        while (rest.starts_with('(') || rest.starts_with('<') || rest.starts_with("&lt;"))
            rest.remove_prefix(rest.front() == '&' ? 4 : 1);
        const std::string head(text.substr(0, text.size() - rest.size()));
        std::string_view middle = rest;
        while (!middle.empty()) {
            const bool entity = middle.ends_with("&gt;");
            if (!entity && std::string_view(")>.,").find(middle.back()) == std::string_view::npos) break;
            middle.remove_suffix(entity ? 4 : 1);
        }
        std::string_view tail = rest.substr(middle.size());
        const auto count = [](std::string_view in, std::string_view what) {
            std::size_t n = 0;
            for (std::size_t at = in.find(what); at != std::string_view::npos;
                 at = in.find(what, at + what.size()))
                ++n;
            return n;
        };
        // A bracket that an address opens is closed by the address.
        for (const auto& [open, close] :
             {std::pair<std::string_view, std::string_view>{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}) {
            const std::size_t opened = count(middle, open);
            if (opened <= count(middle, close)) continue;
            std::size_t taken = 0;
            for (std::size_t n = std::min(opened, count(tail, close)); n > 0; --n)
                taken = tail.find(close, taken) + close.size();
            middle = rest.substr(0, middle.size() + taken);
            tail.remove_prefix(taken);
        }
        return head + link(std::string(middle)) + std::string(tail);
    }
};

std::string escaped(const Value& value) {
    QuotedText plain, out;
    append_text(plain, value);
    append_escaped(out, Value(std::move(plain), value.is_markup()), true);
    return out.text;
}

// Sorted, each once, as Jinja2 writes them: a link out of a template is `noopener` always.
std::string relations(const std::optional<Value>& given, bool no_follow) {
    std::set<std::string> parts{"noopener"};
    if (no_follow) parts.insert("nofollow");
    if (given && truthy(*given)) {
        if (!given->is_text()) raise("'{}' object has no attribute 'split'", type_name(*given));
        for (const std::string_view part : split_text(given->text(), std::nullopt, -1, false))
            parts.emplace(part);
    }
    std::string out;
    for (const std::string& part : parts) out += (out.empty() ? "" : " ") + part;
    return out;
}

std::vector<std::string> schemes_of(Interpreter& interpreter, const std::optional<Value>& given) {
    std::vector<std::string> schemes;
    if (!given || given->is_none()) return schemes;
    const Pattern scheme(kScheme);
    for (const Value& one : iterate(*given)) {
        if (!one.is_text()) raise("expected string or bytes-like object, got '{}'", type_name(one));
        if (!scheme.matches(interpreter, one.text()))
            raise("{} is not a valid URI scheme prefix.", repr(one));
        schemes.push_back(one.text());
    }
    return schemes;
}

}  // namespace

Value urlize_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
    const Binding b =
        bind(arguments, "urlize", {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"});
    Author author = author_of(value);
    for (const auto& argument : b)
        if (argument) author = stricter(author, author_of(*argument));
    Linker linker{
        .interpreter = interpreter, .limit = b[0] ? *b[0] : Value::none(), .attributes = {}, .schemes = {}};
    linker.attributes = " rel=\"" + escape_html(relations(b[3], b[1] && truthy(*b[1]))) + "\"";
    if (b[2] && truthy(*b[2])) linker.attributes += " target=\"" + escaped(*b[2]) + "\"";
    linker.schemes = schemes_of(interpreter, b[4]);
    const std::string text = escaped(value);
    std::string out;
    std::size_t begin = 0;
    const auto finish_word = [&](std::size_t end) {
        if (begin < end) out += linker.word(std::string_view(text).substr(begin, end - begin));
        interpreter.check_size(out.size());
    };
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        if (is_python_space(c.value)) {
            finish_word(at);
            out += text.substr(at, c.bytes);
            begin = at + c.bytes;
        }
        at += c.bytes;
    }
    finish_word(text.size());
    interpreter.charge(out.size());
    return Value(std::move(out), interpreter.autoescape(), author);
}

}  // namespace hearth::text::jinja
