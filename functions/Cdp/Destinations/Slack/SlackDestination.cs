using System.Text.Json;
using Cdp.Problems;

namespace Cdp.Destinations.Slack;

/// <summary>A channel of Slack, by an incoming webhook. Its URL is the secret: whoever has it can write there.</summary>
public sealed class SlackDestination(DestinationHttp http) : IDestinationType
{
    public const string TypeName = "slack";

    private const string Url = "url";
    private const string DefaultText = "{{cause.type}} {{cause.segmentId}}{{event.event}}: {{profile.id}}";

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [Url];

    public (int Default, int Most) BatchSize => (1, 1);

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        if (!has(Url))
            settings.Refuse(Url, "missing: give the webhook's URL as the secret 'url'");
        if (settings.Text("text", Template.LongestSource) is { } text && Template.Parse(text, TemplateKind.Text, out var error) is null)
            settings.Refuse("text", error!);
    }

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var url = target.Secret(Url)!;
        if (AddressGuard.Refusal(url, http.AllowsPrivate) is { } refusal)
            return new SendResult(SendStatus.Refused, new Exchange("POST", "", 0, Error: $"The secret 'url' is {refusal}."));
        var shown = new Uri(url).GetLeftPart(UriPartial.Authority) + "/***";
        string text;
        try
        {
            text = TemplateCache.Get(target.Setting("text") ?? DefaultText, TemplateKind.Text).Render(batch[0].View);
        }
        catch (TemplateException failed)
        {
            return new SendResult(SendStatus.Refused, new Exchange("POST", shown, 0, Error: failed.Message));
        }

        var body = PayloadText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteString("text"u8, text);
            json.WriteEndObject();
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        return await http.SendAsync(request, body, "application/json", cancellation, shownUrl: shown);
    }
}
