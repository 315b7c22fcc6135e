// Sends one remote write 2.0 request with the official client library: a gauge with a stale marker, a counter with
// an exemplar and metadata, and a native histogram. Prints what the receiver's headers say was written.
package main

import (
	"context"
	"encoding/json"
	"log"
	"math"
	"os"
	"strconv"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

const staleMarker = 0x7ff0000000000002

func main() {
	begin, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	api, err := remote.NewAPI(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	stats, err := api.Write(context.Background(), remote.WriteV2MessageType, request(begin))
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(stats); err != nil {
		log.Fatal(err)
	}
}

func request(begin int64) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	refs := func(texts ...string) (found []uint32) {
		for _, text := range texts {
			found = append(found, symbols.Symbolize(text))
		}
		return found
	}
	series := []*writev2.TimeSeries{
		{
			LabelsRefs: refs("__name__", "queue_length", "job", "shop"),
			Samples: []*writev2.Sample{
				{Value: 3, Timestamp: begin},
				{Value: 0, Timestamp: begin + 1000},
				{Value: math.Float64frombits(staleMarker), Timestamp: begin + 2000},
			},
			Metadata: &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE},
		},
		{
			LabelsRefs:       refs("__name__", "orders_total", "job", "shop"),
			Samples:          []*writev2.Sample{{Value: 7, Timestamp: begin}},
			Exemplars:        []*writev2.Exemplar{{LabelsRefs: refs("trace_id", "abc"), Value: 1, Timestamp: begin}},
			Metadata:         &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("Orders.")},
			CreatedTimestamp: begin - 60000,
		},
		{
			LabelsRefs: refs("__name__", "wait_seconds", "job", "shop"),
			Histograms: []*writev2.Histogram{{
				Count:          &writev2.Histogram_CountInt{CountInt: 5},
				Sum:            2.5,
				Schema:         0,
				ZeroThreshold:  0.001,
				ZeroCount:      &writev2.Histogram_ZeroCountInt{ZeroCountInt: 1},
				PositiveSpans:  []*writev2.BucketSpan{{Offset: -1, Length: 2}},
				PositiveDeltas: []int64{3, -2},
				Timestamp:      begin,
			}},
		},
	}
	return &writev2.Request{Symbols: symbols.Symbols(), Timeseries: series}
}
