// Decides, makes and settles one call to a model; the standard library is all it needs.
//
//	go run examples/go/quickstart.go gpt-5-mini chat
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// What POST /v1/calls answers, as far as it is used here.
type answer struct {
	Result struct {
		ID     string `json:"id"`
		Effect string `json:"effect"`
		Model  string `json:"model"`
	} `json:"result"`
	Format  string `json:"format"`
	Request *struct {
		URL     string            `json:"url"`
		Body    *string           `json:"body"`
		Headers map[string]string `json:"headers"`
	} `json:"request"`
	// In the provider's own form.
	Answer *struct {
		Status int    `json:"status"`
		Body   string `json:"body"`
	} `json:"answer"`
}

func main() {
	if len(os.Args) != 3 {
		exit(errors.New("usage: quickstart MODEL TASK"))
	}
	if err := chat(os.Args[1], os.Args[2]); err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func chat(model, task string) error {
	body, err := json.Marshal(map[string]any{
		"model":    model,
		"messages": []any{map[string]any{"role": "user", "content": "How are budgets reserved?"}},
	})
	if err != nil {
		return err
	}
	var decided answer
	err = ask("/v1/calls", map[string]any{
		"url":      env("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions",
		"provider": "openai",
		"body":     string(body),
		"intent": map[string]any{
			// One id for all tries of a call; the next try is {"number": 2, "reason": "http_503"}.
			"id":      fmt.Sprintf("go-%d", time.Now().UnixNano()),
			"attempt": map[string]any{"number": 1},
			"task":    task,
			"attribution": map[string]any{
				"tenant": "acme", "team": "search", "feature": "answers", "service": "search-api",
				"cost_center": "cc-100", "environment": "prod",
			},
		},
	}, &decided)
	if err != nil {
		return err
	}
	if decided.Answer != nil { // 403: not allowed. 429: not now, and "retry-after-ms" says when.
		return fmt.Errorf("%s %d %s", decided.Result.Effect, decided.Answer.Status, decided.Answer.Body)
	}

	request := decided.Request
	if request.Body != nil { // capped or rerouted
		body = []byte(*request.Body)
	}
	headers := map[string]string{"authorization": "Bearer " + os.Getenv("OPENAI_API_KEY")}
	for name, value := range request.Headers {
		headers[name] = value
	}
	status, response, err := post(request.URL, headers, body)
	if err != nil { // the provider was never reached: what is held is released
		return errors.Join(err, ask("/v1/cancel", map[string]any{"decision_id": decided.Result.ID}, nil))
	}
	report := map[string]any{"decision_id": decided.Result.ID, "sequence": 1, "final": true, "basis": "provider"}
	if status == http.StatusOK {
		report["outcome"] = "ok"
		report["raw_usage"] = map[string]any{"format": decided.Format, "json": json.RawMessage(response)}
	} else {
		report["outcome"] = "error"
		report["usage"] = map[string]any{"input": 0, "output": 0}
	}
	var settled struct {
		Result struct {
			Status         string `json:"status"`
			ChargedNanoUSD string `json:"charged_nano_usd"`
		} `json:"result"`
	}
	if err := ask("/v1/report", map[string]any{"report": report}, &settled); err != nil {
		return err
	}
	fmt.Printf("%s %s, %d from the provider\n", decided.Result.Effect, decided.Result.Model, status)
	fmt.Printf("%s at %s nano-USD\n", settled.Result.Status, settled.Result.ChargedNanoUSD)
	return nil
}

// ask sends a question to Weir.
func ask(path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	headers := map[string]string{}
	if key := os.Getenv("WEIR_KEY"); key != "" {
		headers["authorization"] = "Bearer " + key
	}
	status, text, err := post(env("WEIR_URL", "http://localhost:7351")+path, headers, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("weir: %d %s", status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func post(url string, headers map[string]string, body []byte) (int, []byte, error) {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("content-type", "application/json")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
