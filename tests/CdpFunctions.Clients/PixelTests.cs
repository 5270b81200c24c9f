using System.Text;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>Images on a page without scripts.</summary>
[Collection(ClientTests.Name)]
public sealed class PixelTests(ClientApp app, Chromium chromium)
{
    [Fact]
    public async Task Pixels_AreImagesForTheBrowserAndEventsOnTheTimeline()
    {
        await using var gateway = await app.GatewayAsync();
        var data = Uri.EscapeDataString(Convert.ToBase64String(Encoding.UTF8.GetBytes(
            """{"writeKey":"local","messageId":"pixel-1","anonymousId":"pixel-visitor","name":"Grüße","properties":{"n":1.50,"list":[1,null]},"context":{"locale":"de"}}""")));
        await using var site = await Site.StartAsync("", $"""
            <img src="{gateway.Address}/v1/pixel/page?data={data}">
            <img src="{gateway.Address}/v1/pixel/track?writeKey=local&messageId=pixel-2&anonymousId=pixel-visitor&event=Mail%20Opened&properties.mail.id=7&properties.tag=a&properties.tag=b">
            <img src="{gateway.Address}/v1/pixel/track?writeKey=unknown&anonymousId=pixel-visitor&event=Lost">
            """);
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync(site.Address + "/letter");

        var widths = await page.EvaluateAsync<string>("[...document.images].map(image => image.complete ? image.naturalWidth : 0).join()");
        Assert.Equal("1,1,1", widths);
        visitor.AssertAtHomeAndWell();
        var timeline = await app.TimelineAsync("anonymous_id:pixel-visitor");

        var viewed = Assert.Single(timeline, static e => e.GetProperty("messageId").GetString() == "pixel-1");
        Assert.Equal(("page", "Grüße"), (viewed.GetProperty("type").GetString(), viewed.GetProperty("name").GetString()));
        Assert.Equal("""{"n":1.50,"list":[1,null]}""", viewed.GetProperty("properties").GetRawText());
        var opened = Assert.Single(timeline, static e => e.GetProperty("messageId").GetString() == "pixel-2");
        Assert.Equal(("track", "Mail Opened"), (opened.GetProperty("type").GetString(), opened.GetProperty("event").GetString()));
        Assert.Equal("""{"mail":{"id":"7"},"tag":["a","b"]}""", opened.GetProperty("properties").GetRawText());
        Assert.Equal(2, timeline.Count);
        var agent = await page.EvaluateAsync<string>("navigator.userAgent");
        Assert.All(timeline, stored =>
        {
            Assert.Equal("127.0.0.1", stored.GetProperty("context").GetProperty("ip").GetString());
            Assert.Equal(agent, stored.GetProperty("context").GetProperty("userAgent").GetString());
            Assert.False(stored.TryGetProperty("writeKey", out _));
        });
        Assert.Equal("de", viewed.GetProperty("context").GetProperty("locale").GetString());
    }
}
