using CdpFunctions;
using CdpFunctions.Storage;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// Telemetry needs nothing here: logs and invocations go to the Functions host, which sends them to Application Insights.
var builder = FunctionsApplication.CreateBuilder(args);
builder.ConfigureFunctionsWebApplication();
builder.Services.AddCdp(builder.Configuration);

var app = builder.Build();
// In Azure infra/main.bicep has created the storage, and a cold start need not wait for that.
if (app.Services.GetRequiredService<StorageClients>().IsEmulator)
    await CdpApplication.InitializeAsync(app.Services, CancellationToken.None);
await app.RunAsync();
