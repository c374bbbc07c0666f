import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.UUID;

/**
 * Decides, makes and settles one call to a model, with the JDK's own HTTP client and Gson.
 *
 * <p>java -cp gson.jar examples/java/Quickstart.java gpt-5-mini chat
 */
public final class Quickstart {
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  public static void main(String[] args) throws Exception {
    if (args.length != 2) throw new IllegalArgumentException("usage: Quickstart MODEL TASK");
    JsonObject decided = decide(chat(args[0]), args[1]);
    JsonObject decision = decided.getAsJsonObject("result");
    String effect = decision.get("effect").getAsString();
    if (!decided.get("answer").isJsonNull()) {
      // In the provider's own form. 403: not allowed. 429: not now, and "retry-after-ms" says when.
      JsonObject answer = decided.getAsJsonObject("answer");
      System.err.printf("%s %s %s%n", effect, answer.get("status"), answer.get("body").getAsString());
      System.exit(1);
    }
    JsonObject request = decided.getAsJsonObject("request");
    HttpResponse<String> response;
    try {
      response = send(request, chat(args[0]));
    } catch (IOException unreached) {
      // The provider was never reached: what is held is released.
      JsonObject cancel = new JsonObject();
      cancel.add("decision_id", decision.get("id"));
      ask("/v1/cancel", cancel);
      throw unreached;
    }
    JsonObject settled = report(decision.get("id"), decided.get("format"), response);
    String model = decision.get("model").getAsString();
    System.out.printf("%s %s, %d from the provider%n", effect, model, response.statusCode());
    String status = settled.get("status").getAsString();
    System.out.printf("%s at %s nano-USD%n", status, settled.get("charged_nano_usd").getAsString());
  }

  private static String chat(String model) {
    JsonObject message = new JsonObject();
    message.addProperty("role", "user");
    message.addProperty("content", "How are budgets reserved?");
    JsonArray messages = new JsonArray();
    messages.add(message);
    JsonObject chat = new JsonObject();
    chat.addProperty("model", model);
    chat.add("messages", messages);
    return chat.toString();
  }

  private static JsonObject decide(String body, String task) throws Exception {
    JsonObject attribution = new JsonObject();
    Map.of(
            "tenant", "acme",
            "team", "search",
            "feature", "answers",
            "service", "search-api",
            "cost_center", "cc-100",
            "environment", "prod")
        .forEach(attribution::addProperty);
    JsonObject attempt = new JsonObject();
    attempt.addProperty("number", 1);
    JsonObject intent = new JsonObject();
    // One id for all tries of a call; the next try is {"number": 2, "reason": "http_503"}.
    intent.addProperty("id", UUID.randomUUID().toString());
    intent.add("attempt", attempt);
    intent.addProperty("task", task);
    intent.add("attribution", attribution);
    JsonObject call = new JsonObject();
    call.addProperty(
        "url", env("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions");
    call.addProperty("provider", "openai");
    call.addProperty("body", body);
    call.add("intent", intent);
    return ask("/v1/calls", call);
  }

  private static HttpResponse<String> send(JsonObject request, String own) throws Exception {
    JsonElement body = request.get("body"); // null unless capped or rerouted
    HttpRequest.Builder builder =
        post(request.get("url").getAsString(), body.isJsonNull() ? own : body.getAsString())
            .header("authorization", "Bearer " + env("OPENAI_API_KEY", ""));
    request
        .getAsJsonObject("headers")
        .entrySet()
        .forEach(header -> builder.header(header.getKey(), header.getValue().getAsString()));
    return HTTP.send(builder.build(), HttpResponse.BodyHandlers.ofString());
  }

  private static JsonObject report(
      JsonElement decisionId, JsonElement format, HttpResponse<String> response) throws Exception {
    JsonObject report = new JsonObject();
    report.add("decision_id", decisionId);
    report.addProperty("sequence", 1);
    report.addProperty("final", true);
    report.addProperty("basis", "provider");
    if (response.statusCode() == 200) {
      JsonObject raw = new JsonObject();
      raw.add("format", format);
      raw.add("json", JsonParser.parseString(response.body()));
      report.addProperty("outcome", "ok");
      report.add("raw_usage", raw);
    } else {
      JsonObject nothing = new JsonObject();
      nothing.addProperty("input", 0);
      nothing.addProperty("output", 0);
      report.addProperty("outcome", "error");
      report.add("usage", nothing);
    }
    JsonObject question = new JsonObject();
    question.add("report", report);
    return ask("/v1/report", question).getAsJsonObject("result");
  }

  /** Sends a question to Weir. */
  private static JsonObject ask(String path, JsonObject question) throws Exception {
    HttpRequest.Builder builder =
        post(env("WEIR_URL", "http://localhost:7351") + path, question.toString());
    String key = env("WEIR_KEY", "");
    if (!key.isEmpty()) builder.header("authorization", "Bearer " + key);
    HttpResponse<String> response =
        HTTP.send(builder.build(), HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IllegalStateException("weir: " + response.statusCode() + " " + response.body());
    }
    return JsonParser.parseString(response.body()).getAsJsonObject();
  }

  private static HttpRequest.Builder post(String url, String body) {
    return HttpRequest.newBuilder(URI.create(url))
        .header("content-type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body));
  }

  private static String env(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
