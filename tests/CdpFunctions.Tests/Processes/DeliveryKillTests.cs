using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using CdpFunctions.Tests.Azurite;
using CdpFunctions.Tests.Destinations;
using CdpFunctions.Tests.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Processes;

/// <summary>The app as a real process that is killed in the middle of its deliveries.</summary>
public sealed class DeliveryKillTests(ITestOutputHelper output)
{
    private const int Events = 60;
    private const int Kills = 3;

    [Fact]
    public async Task KilledSeveralTimes_EveryDeliveryArrives_UnderItsOneKey()
    {
        var folder = Directory.CreateTempSubdirectory("cdp-kill-");
        var storage = await AzuriteFixture.NewAccountAsync();
        var settings = new Dictionary<string, string>
        {
            ["AzureWebJobsStorage"] = storage,
            ["Local__MessageLease"] = "00:00:02",
            ["Cdp__AllowPrivateDestinations"] = "true",
        };
        await using var receiver = await Receiver.StartAsync((_, _) => Task.Delay(50));
        var process = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        await SendAsync(http, process, HttpMethod.Put, "v1/destinations/hook", BadReceiverTests.Hook(receiver), "Bearer");
        var next = 0;
        for (var kill = 0; kill <= Kills; kill++)
        {
            for (; next < Events * (kill + 1) / (Kills + 1); next++)
                await SendAsync(http, process, HttpMethod.Post, "v1/track", $$"""{"messageId":"m{{next}}","userId":"user-{{next % 7}}","event":"Ordered"}""", "Basic");
            if (kill == Kills)
                break;
            var arrived = receiver.Arrived;
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            while (receiver.Arrived < arrived + 3 && receiver.Arrived < next)
                await Task.Delay(5, patience.Token);
            await process.KillAsync();
            await process.DisposeAsync();
            process = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        }

        using var longPatience = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        JsonElement listed;
        while (true)
        {
            listed = await SendAsync(http, process, HttpMethod.Get, "v1/destinations/hook/deliveries?limit=1000", null, "Bearer");
            if (listed.GetProperty("data").EnumerateArray().Count(d => d.GetProperty("state").GetString() == "delivered") == Events)
                break;
            await Task.Delay(200, longPatience.Token);
        }

        var keys = listed.GetProperty("data").EnumerateArray().ToDictionary(d => d.GetProperty("id").GetString()!, d => d.GetProperty("key").GetString());
        Assert.Equal(Events, keys.Count);
        Assert.Equal(Events, keys.Values.Distinct().Count());
        Assert.All(receiver.All, r => Assert.Equal(keys[r.DeliveryId!], r.Key));
        Assert.Equal(keys.Values.Order(StringComparer.Ordinal), receiver.Taken.Select(r => r.Key).Distinct().Order(StringComparer.Ordinal));
        output.WriteLine($"{Events} deliveries, {Kills} kills, {receiver.Arrived} requests");
        await process.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private static async Task<JsonElement> SendAsync(HttpClient http, LocalProcess process, HttpMethod method, string path, string? json, string scheme)
    {
        using var request = new HttpRequestMessage(method, new Uri(process.Address, path));
        request.Headers.Authorization = scheme == "Basic" ? TestApp.Basic(TestApp.WriteKey) : new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }
}
